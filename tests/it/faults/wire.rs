//! A wire between the service and its database that can go silent: nothing comes through any more,
//! and nobody is told.

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::database::Database;

/// See the module.
pub struct Wire {
    port: u16,
    database: Database,
    silenced: watch::Sender<String>,
    accepting: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    /// Lays one.
    pub async fn to(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silenced, muted) = watch::channel(String::new());
        let server = PgConnectOptions::from_str(&database.url()).unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let muted = muted.clone();
                match socket(&server) {
                    Some(path) => {
                        let far = UnixStream::connect(path).await.unwrap();
                        tokio::spawn(carry(near, far, muted));
                    }
                    None => {
                        let far = (server.get_host(), server.get_port());
                        let far = TcpStream::connect(far).await.unwrap();
                        tokio::spawn(carry(near, far, muted));
                    }
                }
            }
        });
        Self { port, database: database.clone(), silenced, accepting }
    }

    /// The database's address at this end.
    pub fn url(&self) -> String {
        let url = self.database.url();
        let (user, _) = url.split_once('@').unwrap();
        format!("{user}@127.0.0.1:{}/{}?sslmode=disable", self.port, self.database.name)
    }

    /// Silences the connections of this application that there are; later ones work.
    pub fn silence(&self, application: &str) {
        self.silenced.send_replace(application.to_owned());
    }
}

/// The server's socket, if it has one.
fn socket(server: &PgConnectOptions) -> Option<PathBuf> {
    let folder = server.get_socket()?;
    Some(folder.join(format!(".s.PGSQL.{}", server.get_port())))
}

async fn carry<F>(mut near: TcpStream, mut far: F, mut muted: watch::Receiver<String>)
where
    F: AsyncRead + AsyncWrite + Unpin,
{
    // The first thing that a client says is its name, among other things.
    let mut hello = [0; 1_024];
    let Ok(length) = near.read(&mut hello).await else { return };
    let hello = &hello[..length];
    if far.write_all(hello).await.is_err() {
        return;
    }
    muted.mark_unchanged();
    let silence = async {
        let meant = |name: &str| {
            let name = format!("\0{name}\0").into_bytes();
            hello.windows(name.len()).any(|part| part == name)
        };
        while muted.changed().await.is_ok() {
            if meant(&muted.borrow_and_update()) {
                return;
            }
        }
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        // Both ends stay open.
        () = silence => std::future::pending().await,
    }
}
