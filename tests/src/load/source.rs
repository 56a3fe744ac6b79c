//! Doors for very many connections to one address: a source address has ports for some 28,000, so the
//! loopback network's other addresses are used, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::live::{Door, NoTicket, Plain};

/// Connections from one address: less than there are ports.
const FROM_ONE_ADDRESS: usize = 20_000;

/// What the kernels may keep for a screen that does not read: as little as between two machines far
/// apart, and not the megabytes that the loopback network's long segments are given.
const INBOX: u32 = 4_096;
const SEGMENT: u32 = 536;

/// Connects number so-and-so of many.
///
/// # Errors
/// If it does not come about.
pub(super) async fn connect(to: SocketAddr, number: usize) -> io::Result<TcpStream> {
    from(TcpSocket::new_v4()?, to, number).await
}

async fn from(socket: TcpSocket, to: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let turn = u8::try_from(number / FROM_ONE_ADDRESS).map_err(io::Error::other)?;
    if turn > 0 && to.ip().is_loopback() {
        socket.bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1 + turn)), 0).into())?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// See the module.
pub(super) struct ManyDoors {
    pub address: Arc<str>,
    pub tickets: Plain,
    pub number: usize,
    /// Whether little room shall be between it and the server.
    pub is_narrow: bool,
}

impl Door for ManyDoors {
    type Wire = TcpStream;

    fn address(&self, _: u64) -> String {
        self.address.as_ref().to_owned()
    }

    async fn ticket(&self, address: &str) -> Result<String, NoTicket> {
        self.tickets.ticket(address).await
    }

    async fn connect(&self, host: &str) -> io::Result<TcpStream> {
        let to = host.parse().map_err(io::Error::other)?;
        let socket = TcpSocket::new_v4()?;
        if self.is_narrow {
            socket.set_recv_buffer_size(INBOX)?;
            SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
        }
        from(socket, to, self.number).await
    }
}
