//! The event store for cqrs-es: streams are read through postgres-es and written by the appender,
//! never by postgres-es. For code that brings its own `CqrsFramework`; give it no queries.

use std::collections::HashMap;
use std::marker::PhantomData;

use cqrs_es::{AggregateContext, AggregateError, EventEnvelope, EventStore};
use domain::aggregate::Aggregate;

use crate::bus::{Bus, Failure, Request};
use crate::sourced::{Sourced, SourcedEvent, envelope};

/// An event store of one family on the bus.
pub struct LogStore<A> {
    bus: Bus,
    family: PhantomData<fn() -> A>,
}

/// A loaded aggregate, to be committed if its stream has not moved meanwhile.
pub struct Loaded<A: Aggregate> {
    id: String,
    state: Sourced<A>,
    sequence: u64,
}

impl<A: Aggregate> AggregateContext<Sourced<A>> for Loaded<A> {
    fn aggregate(&mut self) -> &mut Sourced<A> {
        &mut self.state
    }
}

type Error<A> = AggregateError<<A as Aggregate>::Refusal>;

impl<A: Aggregate> LogStore<A> {
    /// A store that commits through this bus.
    #[must_use]
    pub fn new(bus: Bus) -> Self {
        Self { bus, family: PhantomData }
    }
}

/// The stream has moved since it was loaded.
#[derive(Debug)]
struct Moved;

impl<A: Aggregate<Refusal: 'static>> EventStore<Sourced<A>> for LogStore<A> {
    type AC = Loaded<A>;

    async fn load_events(&self, id: &str) -> Result<Vec<EventEnvelope<Sourced<A>>>, Error<A>> {
        let events = self.bus.read_stream((A::TYPE, id, 0)).await.map_err(database)?;
        let envelopes = events.iter().map(envelope::<A>);
        envelopes
            .collect::<Result<_, _>>()
            .map_err(|error| AggregateError::DeserializationError(error.into()))
    }

    async fn load_aggregate(&self, id: &str) -> Result<Loaded<A>, Error<A>> {
        let mut loaded = Loaded { id: id.to_owned(), state: Sourced::default(), sequence: 0 };
        for event in self.load_events(id).await? {
            loaded.sequence = event.sequence as u64;
            cqrs_es::Aggregate::apply(&mut loaded.state, event.payload);
        }
        Ok(loaded)
    }

    async fn commit(
        &self,
        events: Vec<SourcedEvent<A::Event>>,
        context: Loaded<A>,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<Sourced<A>>>, Error<A>> {
        let Ok(id) = context.id.parse::<A::Id>() else {
            return Err(AggregateError::UnexpectedError("the aggregate's id is not one".into()));
        };
        let committed = self.bus.execute(Request::of_metadata(&metadata), move |world| {
            world.write::<A, Moved>(id, |_, sequence| {
                let events = events.iter().map(|event| event.0.clone()).collect();
                if sequence == context.sequence { Ok(events) } else { Err(Moved) }
            })
        });
        match committed.await {
            Ok(committed) => {
                let envelopes = committed.events.iter().map(|event| envelope::<A>(&event.event));
                envelopes
                    .collect::<Result<_, _>>()
                    .map_err(|error| AggregateError::DeserializationError(error.into()))
            }
            Err(Failure::Refused { refusal: Moved, .. }) => Err(AggregateError::AggregateConflict),
            Err(_) => Err(database(crate::bus::Unavailable)),
        }
    }
}

fn database<R: std::error::Error>(error: crate::bus::Unavailable) -> AggregateError<R> {
    AggregateError::DatabaseConnectionError(error.into())
}
