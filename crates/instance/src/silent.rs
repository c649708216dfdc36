//! A listener that accepts and never answers: what a held server follows. It is sent no password, because the
//! first thing that a replica waits for is an answer.

use std::{collections::VecDeque, io, net::Ipv4Addr};
use tokio::net::{TcpListener, TcpStream};

/// Connections that stay open; a server needs one.
const KEPT: usize = 8;

/// Starts it on the loopback address; answers its port.
pub(crate) async fn listen() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let mut kept: VecDeque<TcpStream> = VecDeque::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    kept.push_back(stream);
                    if kept.len() > KEPT {
                        kept.pop_front();
                    }
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            }
        }
    });
    Ok(port)
}
