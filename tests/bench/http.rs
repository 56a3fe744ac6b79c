//! As little HTTP/1.1 as a load generator can do with. It shares the cores with the server that it
//! measures, so requests are bytes made beforehand and of an answer only the status line and the
//! length are looked at.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers of the club are well below this; the buffer grows if one is not.
const FIRST_BUFFER: usize = 8 * 1024;

/// The longest answer that is believed.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Length of a UUID as text.
const KEY_LENGTH: usize = 36;

/// Stands in a template where the key of each request goes.
const NO_KEY: &str = "00000000-0000-0000-0000-000000000000";

/// A request, ready but for its idempotency key.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    key_at: Option<usize>,
}

impl Template {
    /// A GET with a token.
    pub fn get(path: &str, token: &str) -> Self {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: club\r\nauthorization: Bearer {token}\r\n\
             accept: application/json\r\n\r\n"
        );
        Self { bytes: head.into_bytes(), key_at: None }
    }

    /// A GET with a token, of what shows at least this position.
    pub fn get_at(path: &str, token: &str, position: u64) -> Self {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: club\r\nauthorization: Bearer {token}\r\n\
             x-min-position: {position}\r\naccept: application/json\r\n\r\n"
        );
        Self { bytes: head.into_bytes(), key_at: None }
    }

    /// A POST with a token and a place for a key.
    pub fn command(path: &str, token: &str, body: &str) -> Self {
        let before_key = format!(
            "POST {path} HTTP/1.1\r\nhost: club\r\nauthorization: Bearer {token}\r\n\
             accept: application/json\r\nidempotency-key: "
        );
        let key_at = Some(before_key.len());
        let length = body.len();
        let bytes = format!(
            "{before_key}{NO_KEY}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        Self { bytes: bytes.into_bytes(), key_at }
    }

    /// A POST from nobody, without a key.
    pub fn post(path: &str, body: &str) -> Self {
        let length = body.len();
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: club\r\naccept: application/json\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Self { bytes: bytes.into_bytes(), key_at: None }
    }

    /// Writes the request with this key into a buffer.
    pub fn fill(&self, key: uuid::Uuid, outbox: &mut Vec<u8>) {
        outbox.clear();
        outbox.extend_from_slice(&self.bytes);
        if let Some(at) = self.key_at {
            key.hyphenated().encode_lower(&mut outbox[at..at + KEY_LENGTH]);
        }
    }

    /// A request by the same caller to another address, without a key or a body.
    pub fn elsewhere(&self, path: &str) -> Option<Self> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let token = text.split("Bearer ").nth(1)?.split("\r\n").next()?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: club\r\nauthorization: Bearer {token}\r\n\
             accept: application/json\r\ncontent-length: 0\r\n\r\n"
        );
        Some(Self { bytes: head.into_bytes(), key_at: None })
    }

    /// A signed message from a provider.
    pub fn signed(path: &str, headers: &[(&str, String)], body: &str) -> Self {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: club\r\n{headers}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        Self { bytes: bytes.into_bytes(), key_at: None }
    }

    /// The request as it is, for those without a key.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An answer, borrowed from the connection's buffer.
#[derive(Debug)]
pub struct Reply<'connection> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'connection [u8],
}

impl Reply<'_> {
    /// Whether it is a success by its status and does not say otherwise in its body.
    pub fn is_good(&self) -> bool {
        const REFUSED: &[u8] = b"\"success\":false";
        (200..300).contains(&self.status) && !self.body.windows(REFUSED.len()).any(|w| w == REFUSED)
    }

    /// Status and body, for people.
    pub fn describe(&self) -> String {
        let body = String::from_utf8_lossy(self.body);
        format!("{} {}", self.status, body.chars().take(500).collect::<String>())
    }
}

/// One kept-alive connection, with one request in flight at most.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("no connection to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: vec![0; FIRST_BUFFER] })
    }

    /// Sends a request and waits for its whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let message = loop {
            let read = self.stream.read(&mut self.inbox[filled..]).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(message) = Message::parse(&self.inbox[..filled])? {
                if filled >= message.end() {
                    break message;
                }
                ensure!(message.end() <= LONGEST_ANSWER, "the answer is too long");
                if self.inbox.len() < message.end() {
                    self.inbox.resize(message.end(), 0);
                }
            }
            ensure!(filled < self.inbox.len(), "the answer's head is too long");
        };
        ensure!(filled == message.end(), "more came than was asked for");
        let status = status(&self.inbox).context("not an HTTP/1.1 answer")?;
        Ok(Reply { status, body: &self.inbox[message.body_at..message.end()] })
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.get(..12)?.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// Where a message's body stands, of requests and answers alike.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    body_at: usize,
    length: usize,
}

impl Message {
    /// Reads the head, if it has come whole.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(head) = bytes.windows(END.len()).position(|window| window == END) else {
            return Ok(None);
        };
        let mut length = 0;
        for line in bytes[..head].split(|&byte| byte == b'\n') {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                length = std::str::from_utf8(value)?.parse()?;
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                bail!("this client does not read chunks");
            }
        }
        Ok(Some(Self { body_at: head + END.len(), length }))
    }

    /// Where the message ends.
    pub fn end(&self) -> usize {
        self.body_at + self.length
    }
}
