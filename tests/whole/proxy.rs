//! A wire that can be cut: a proxy in front of the database.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Hands bytes on in both directions until it is told not to.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    wires: Arc<Mutex<Vec<TcpStream>>>,
    /// How long each packet is held back, in milliseconds.
    delay_ms: Arc<AtomicU64>,
}

impl Proxy {
    /// In front of a port of this machine; lives as long as the process.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy =
            Self { port: listener.local_addr().unwrap().port(), wires: Arc::default(), delay_ms: Arc::default() };
        let accepting = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Nobody there: the client finds its connection closed.
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                accepting.join(&client, &server);
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection there is; new ones are let through. Says how many there were.
    pub(crate) fn cut(&self) -> usize {
        let wires = std::mem::take(&mut *self.wires.lock().unwrap());
        // One that is closed already needs no cutting.
        wires.iter().for_each(|wire| drop(wire.shutdown(Shutdown::Both)));
        wires.len() / 2
    }

    /// Holds every packet back for so long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn join(&self, client: &TcpStream, server: &TcpStream) {
        for (from, to) in [(client, server), (server, client)] {
            // Small packets must not wait for one another here as well.
            let _ = from.set_nodelay(true);
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            self.wires.lock().unwrap().push(from.try_clone().unwrap());
            let delay_ms = self.delay_ms.clone();
            thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(length @ 1..) = from.read(&mut buffer) {
                    let delay = delay_ms.load(Ordering::Relaxed);
                    if delay > 0 {
                        thread::sleep(Duration::from_millis(delay));
                    }
                    if to.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                // The other direction ends with this one.
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}
