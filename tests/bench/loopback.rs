//! The limit of the load generator: a server that answers every request at once with the same
//! bytes. Whatever is measured over HTTP must be well below what this one reaches.

use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http::Message;

/// What the club answers to a grant.
const BODY: &str = "{\"success\":true,\"granted\":{\"gold\":1,\"vip_points\":0},\
    \"new_gold_balance\":1000001,\"receipt_code\":\"0f3a9c1b22d4\",\"status\":\"executed\",\
    \"position\":1}";

/// Serves until it is killed.
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let answer: Arc<[u8]> = answer().into_bytes().into();
    loop {
        let (stream, _) = listener.accept().await?;
        // A connection that breaks is the client's business.
        tokio::spawn(answer_all(stream, Arc::clone(&answer)));
    }
}

/// With the headers that the club sends.
fn answer() -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
         x-request-id: 0199d0b5-7c1e-7a52-9d3f-0f3a9c1b22d4\r\ncontent-length: {}\r\n\
         date: Sun, 01 Mar 2026 12:34:56 GMT\r\n\r\n{BODY}",
        BODY.len()
    )
}

async fn answer_all(mut stream: TcpStream, answer: Arc<[u8]>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut inbox = vec![0; 16 * 1024];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut inbox[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        // The generator never sends a request before it has its answer, so nothing follows one.
        if Message::parse(&inbox[..filled])?.is_some_and(|message| filled >= message.end()) {
            filled = 0;
            stream.write_all(&answer).await?;
        }
    }
}
