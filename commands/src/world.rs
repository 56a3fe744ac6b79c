//! What a decision may look at and write. (placeholder)
use domain::aggregate::Aggregate;
use std::marker::PhantomData;
/// World.
pub struct World<'a>(PhantomData<&'a ()>);
/// Why a decision wrote nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Decline<R> {
    /// Refused.
    Refused(R),
}
impl World<'_> {
    /// decide
    pub fn decide<A: Aggregate>(
        &mut self,
        _id: A::Id,
        _command: &A::Command,
    ) -> Result<(), Decline<A::Refusal>> {
        todo!()
    }
}
