//! Who listens on a port of this machine.
//!
//! Read from `/proc`, so no tool is needed; without the right to look into a process its name stays unknown.

use std::fs;
use std::net::TcpListener;

/// A description of whoever keeps us from listening on the port, if anybody does.
pub fn holder(port: u16) -> Option<String> {
    if TcpListener::bind(("127.0.0.1", port)).is_ok() {
        return None;
    }
    let process = listening_inode(port).and_then(|inode| process_with_socket(&inode));
    Some(process.unwrap_or_else(|| "another program".to_owned()))
}

fn listening_inode(port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|table| fs::read_to_string(table).ok()).find_map(|table| {
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let local = fields.next()?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?;
            (local.ends_with(&suffix) && state == LISTEN).then(|| inode.to_owned())
        })
    })
}

fn process_with_socket(inode: &str) -> Option<String> {
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut open = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        open.find(|link| fs::read_link(link.path()).is_ok_and(|target| target.to_str() == Some(&socket)))?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        Some(format!("process {pid} ({})", name.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_process_that_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let holder = holder(port).expect("the port is taken");
        assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
    }
}
