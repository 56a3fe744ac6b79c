//! Somebody who listens for messages, and answers them as it is told to.

use std::collections::HashMap;
use std::time::Duration;

use commands::payments::Header;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A request as it came in.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub headers: Headers,
    pub body: Vec<u8>,
    /// The status it was answered with.
    pub answered: u16,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Headers(HashMap<String, String>);

impl Header for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Listens on a port of its own.
pub struct Listener {
    pub address: String,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Listener {
    /// Answers with these statuses, and afterwards with 200.
    pub async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/webhook", listener.local_addr().unwrap());
        let (send, received) = mpsc::unbounded_channel();
        let statuses = statuses.to_vec();
        tokio::spawn(async move {
            let mut statuses = statuses.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                let status = statuses.next().unwrap_or(200);
                if let Some(request) = answer(stream, status).await {
                    let _ = send.send(request);
                }
            }
        });
        Self { address, received }
    }

    /// The next message.
    pub async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(4), self.received.recv());
        next.await.expect("no message came").unwrap()
    }

    /// What has come in already.
    pub fn already(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }
}

/// One request a connection.
async fn answer(mut stream: TcpStream, status: u16) -> Option<Received> {
    let mut bytes = vec![];
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let headers: HashMap<_, _> =
        lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let answer =
        format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()?;
    let body = bytes[end + 4..].to_vec();
    Some(Received { headers: Headers(headers), body, answered: status })
}
