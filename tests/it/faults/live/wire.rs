//! Wires that break and stall at moments of their own, and the door that hands them out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rand::random_range;
use socket2::SockRef;
use tests::live::{Door, NoTicket, Plain};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep};

use super::super::nodes::Nodes;

/// What the kernels may keep for a screen that does not read: little, so that the server notices. Its
/// side gives each connection room for some segments, and those of this machine's own network would be
/// of 64 kilobytes.
const INBOX: u32 = 4_096;
const SEGMENT: u32 = 536;
/// The request for an upgrade and its answer are about so long.
const ASKED: usize = 230;
const UPGRADED: usize = 250;
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(3_600);

/// What all wires of a test have in common.
#[derive(Debug, Default)]
pub struct Weather {
    is_calm: AtomicBool,
    /// Wires that have stopped reading for a while.
    stalls: AtomicUsize,
}

impl Weather {
    /// From now on, new wires hold.
    pub fn calm_down(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// How many wires have stopped reading for a while.
    pub fn stalls(&self) -> usize {
        self.stalls.load(Ordering::Relaxed)
    }

    fn fate(&self) -> Fate {
        if self.is_calm.load(Ordering::Relaxed) { Fate::default() } else { Fate::by_chance() }
    }
}

/// When a wire breaks: after so many bytes in one direction, or so much time. And how long, after
/// how many bytes, nothing is read before.
#[derive(Debug)]
struct Fate {
    reads: usize,
    writes: usize,
    time: Duration,
    stall: Option<(usize, Duration)>,
}

impl Default for Fate {
    fn default() -> Self {
        Self { reads: usize::MAX, writes: usize::MAX, time: NEVER, stall: None }
    }
}

impl Fate {
    fn by_chance() -> Self {
        let millis = |range| Duration::from_millis(random_range(range));
        // Whatever is not reached in time breaks all the same.
        let some = Self { time: millis(100..1_000), ..Self::default() };
        match random_range(0..100) {
            // In the middle of connecting.
            0..8 => Self { reads: random_range(0..UPGRADED), ..some },
            8..14 => Self { writes: random_range(0..ASKED), ..some },
            // In the middle of subscribing: hello, the wish, and what comes first.
            14..30 => Self { reads: UPGRADED + random_range(0..250), ..some },
            30..38 => Self { writes: ASKED + random_range(0..80), ..some },
            // In the middle of what is told, of a frame too.
            38..62 => Self { reads: UPGRADED + random_range(300..6_000), ..some },
            62..85 => Self { time: millis(5..400), ..some },
            // Reads nothing for a while.
            _ => {
                let stall = Some((random_range(UPGRADED..1_500), millis(50..600)));
                Self { stall, ..some }
            }
        }
    }
}

/// See the module.
pub struct BadWire {
    stream: TcpStream,
    fate: Fate,
    breaks: Pin<Box<Sleep>>,
    stalled: Option<Pin<Box<Sleep>>>,
    weather: Arc<Weather>,
}

impl BadWire {
    fn new(stream: TcpStream, weather: Arc<Weather>) -> Self {
        let fate = weather.fate();
        let breaks = Box::pin(sleep(fate.time));
        Self { stream, fate, breaks, stalled: None, weather }
    }

    fn still_holds(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.breaks.as_mut().poll(context).is_ready() { Err(broken()) } else { Ok(()) }
    }

    /// After so many more bytes, this wire may have to rest.
    fn may_stall(&mut self, read: usize) {
        let Some((after, time)) = self.fate.stall.take() else { return };
        if read < after {
            self.fate.stall = Some((after - read, time));
        } else {
            self.weather.stalls.fetch_add(1, Ordering::Relaxed);
            self.stalled = Some(Box::pin(sleep(time)));
        }
    }
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for BadWire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.still_holds(context)?;
        if let Some(stalled) = &mut self.stalled {
            ready!(stalled.as_mut().poll(context));
            self.stalled = None;
        }
        if self.fate.reads == 0 {
            return Poll::Ready(Err(broken()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        // What came after the break has never come.
        let read = (buffer.filled().len() - before).min(self.fate.reads);
        buffer.set_filled(before + read);
        self.fate.reads -= read;
        self.may_stall(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BadWire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.still_holds(context)?;
        if self.fate.writes == 0 {
            return Poll::Ready(Err(broken()));
        }
        let some = &bytes[..bytes.len().min(self.fate.writes)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, some))?;
        self.fate.writes -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Goes to another node each time, by bad wires.
pub struct BadDoor {
    nodes: Arc<Nodes>,
    weather: Arc<Weather>,
    first: usize,
    tickets: Plain,
}

impl BadDoor {
    /// For whoever has this token, to this node first.
    pub fn new(nodes: Arc<Nodes>, weather: Arc<Weather>, first: usize, tickets: Plain) -> Self {
        Self { nodes, weather, first, tickets }
    }
}

impl Door for BadDoor {
    type Wire = BadWire;

    fn address(&self, attempt: u64) -> String {
        self.nodes.url(self.first + usize::try_from(attempt).unwrap())
    }

    async fn ticket(&self, address: &str) -> Result<String, NoTicket> {
        self.tickets.ticket(address).await
    }

    async fn connect(&self, host: &str) -> io::Result<BadWire> {
        connect(host, &self.weather).await
    }
}

async fn connect(host: &str, weather: &Arc<Weather>) -> io::Result<BadWire> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(INBOX)?;
    SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
    let stream = socket.connect(host.parse().map_err(io::Error::other)?).await?;
    Ok(BadWire::new(stream, Arc::clone(weather)))
}

/// Bad wires for a client that is no part of this process: an address that leads to another node each
/// time. It holds until the runtime ends.
pub async fn ferry(nodes: Arc<Nodes>, weather: Arc<Weather>, first: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for node in first.. {
            let Ok((mut near, _)) = listener.accept().await else { return };
            let (host, weather) = (nodes.url(node).replace("http://", ""), weather.clone());
            tokio::spawn(async move {
                // A wire that breaks, breaks on both sides.
                let Ok(mut far) = connect(&host, &weather).await else { return };
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}
