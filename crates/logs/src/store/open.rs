//! Owns how a writer begins: with an empty directory, or with what an earlier writer left. Must not
//! append.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::disk::write_all_at;
use crate::format::{AFTER_GAP, GAP, GAP_MORE, idx_number, idx_path, out_path};
use crate::segment::{Segment, entry_at};
use crate::types::Now;

use super::{Current, Store, errno, is_full};

impl Store {
    /// Creates the first segment; a full disk is not an error, anything else is.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let Err(e) = self.roll(Now::read().wall_ns) else {
            return Ok(());
        };
        if !is_full(&e) {
            return Err(e);
        }
        self.error = Some(errno(&e));
        Ok(())
    }

    /// Takes up the log that an earlier writer left, indexing what it had not.
    pub(super) fn go_on(&mut self, numbers: &[u32]) -> io::Result<()> {
        let mut before: Option<Segment> = None;
        for &number in numbers {
            let segment = Segment::open(&self.dir, number, before.as_ref())?;
            if let Some(closed) = before.replace(segment) {
                self.closed.push_back((closed.number, closed.len));
                self.closed_bytes += closed.len;
            }
        }
        let Some(last) = before else { return Ok(()) };
        self.adopt_state(&last)?;
        let open = |path: PathBuf| {
            let mut options = OpenOptions::new();
            options.mode(0o600).write(true).create(true).truncate(false).open(path)
        };
        let current = Current {
            number: last.number,
            out: open(out_path(&self.dir, last.number))?,
            idx: open(idx_path(&self.dir, last.number))?,
            len: last.len,
            entries: last.good,
            has_gap: last.last_entry()?.is_some_and(|e| e.is(AFTER_GAP)),
        };
        if !last.header_on_disk {
            let header = last.header.encode();
            let (_, done) = write_all_at(&*self.disk, &current.idx, &header, 0);
            done.or_else(|e| if is_full(&e) { Ok(()) } else { Err(e) })?;
        }
        current.idx.set_len(entry_at(last.good))?;
        self.current = Some(current);
        for entry in &last.tail {
            self.pending.extend_from_slice(&entry.encode());
        }
        self.commit();
        Ok(())
    }

    fn adopt_state(&mut self, last: &Segment) -> io::Result<()> {
        let entry = last.last_entry()?;
        self.base_offset = last.header.base_offset;
        self.line = last.end_line;
        self.open = last.open;
        self.last_time_ns = entry.map_or(last.header.created_ns, |e| e.time_ns);
        self.lost_bytes = last.header.lost_bytes;
        self.lost_lines = last.header.lost_lines;
        if !entry.is_some_and(|e| e.is(AFTER_GAP)) {
            return Ok(());
        }
        for i in 0..last.entries() {
            let e = last.entry(i)?;
            if e.is(GAP) {
                self.lost_bytes = self.lost_bytes.saturating_add(e.lost);
            } else if e.is(GAP_MORE) {
                self.lost_lines = self.lost_lines.saturating_add(e.lost);
            }
        }
        Ok(())
    }

    /// An index without its segment is what a crash leaves between the two steps of rolling or
    /// evicting.
    pub(super) fn drop_stray_indexes(&self, numbers: &[u32]) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(idx_number);
            if number.is_some_and(|n| numbers.binary_search(&n).is_err()) {
                fs::remove_file(self.dir.join(name))?;
            }
        }
        Ok(())
    }
}
