//! One websocket to the live feed, with buffers as small as its messages.

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::ending::{Cut, End, Failed};

const READ_BUFFER: usize = 2_048;
/// Of a state, which is the longest message; the server's are far below.
const LONGEST_MESSAGE: usize = 4 * 1_024 * 1_024;

/// See the module.
#[derive(Debug)]
pub(super) struct Connection<W>(WebSocketStream<W>);

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE))
}

impl<W: AsyncRead + AsyncWrite + Unpin> Connection<W> {
    pub async fn open(wire: W, host: &str, ticket: &str) -> Result<Self, Failed> {
        let url = format!("ws://{host}/api/realtime/sync?ticket={ticket}");
        match client_async_with_config(url, wire, Some(config())).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) if matches!(answer.status().as_u16(), 401 | 403) => {
                Err(Failed::End(End::NotLetIn(answer.status().to_string())))
            }
            Err(error) => Err(Cut::Broken(error.to_string()).into()),
        }
    }

    /// The next text.
    pub async fn text(&mut self) -> Result<Utf8Bytes, Cut> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
                Some(Ok(Message::Binary(_))) => {
                    return Err(Cut::Nonsense("bytes that are no text".to_owned()));
                }
                // Pings are answered by the next read.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Cut::Broken(error.to_string())),
                None => return Err(Cut::Broken("the connection has ended".to_owned())),
            }
        }
    }

    pub async fn say(&mut self, text: impl Into<Utf8Bytes>) -> Result<(), Cut> {
        let sent = self.0.send(Message::Text(text.into())).await;
        sent.map_err(|error| Cut::Broken(error.to_string()))
    }

    /// Says goodbye. Whoever does not hear it notices the end of the connection.
    pub async fn close(&mut self) {
        let _ = self.0.close(None).await;
    }
}

fn closed(frame: Option<tokio_tungstenite::tungstenite::protocol::CloseFrame>) -> Cut {
    match frame {
        Some(frame) => {
            Cut::Closed { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
        }
        None => Cut::Closed { code: 1005, reason: String::new() },
    }
}
