//! Doors for very many connections to one address: a source address has ports for some 28,000, so the
//! loopback network's other addresses are used, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};

use crate::live::{Door, NoTicket, Plain};

/// Connections from one address: less than there are ports.
const FROM_ONE_ADDRESS: usize = 20_000;

/// Connects number so-and-so of many.
///
/// # Errors
/// If it does not come about.
pub(super) async fn connect(to: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
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
        connect(host.parse().map_err(io::Error::other)?, self.number).await
    }
}
