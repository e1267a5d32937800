//! A file system in memory. It knows what of it would survive a crash of the machine: names by the sync of
//! their folder, bytes by the sync of their file.

use datametrics::DirEntry;
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    /// So many of them are synced.
    synced: usize,
    modified: Duration,
}

type Names = BTreeMap<PathBuf, Node>;

/// Names that change at once: a rename is two of them.
type Change = Vec<(PathBuf, Option<Node>)>;

/// A file got a name, or lost it.
pub(super) struct Event {
    pub(super) path: PathBuf,
    pub(super) file: usize,
    pub(super) is_there: bool,
}

#[derive(Default)]
pub(super) struct Disk {
    names: Names,
    /// The names that a crash of the machine leaves.
    durable: Names,
    /// The changes since, oldest first.
    pending: Vec<Change>,
    files: Vec<File>,
    /// Who holds the lock of a file.
    locks: BTreeMap<PathBuf, usize>,
    /// What happened since somebody looked.
    pub(super) events: Vec<Event>,
}

impl Disk {
    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let mut missing: Vec<PathBuf> = Vec::new();
        for path in path.ancestors() {
            match self.names.get(path) {
                Some(Node::Folder) => break,
                Some(Node::File(_)) if missing.is_empty() => return Err(ErrorKind::AlreadyExists.into()),
                Some(Node::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                None if path.parent().is_none() => break,
                None => missing.push(path.to_owned()),
            }
        }
        for path in missing.into_iter().rev() {
            self.change(vec![(path, Some(Node::Folder))]);
        }
        Ok(())
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.names.get(path) == Some(&Node::Folder)
    }

    /// In the order of names.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if !self.is_dir(path) {
            self.file(path)?;
            return Err(ErrorKind::NotADirectory.into());
        }
        let below = self.names.range(path.to_owned()..).take_while(|(name, _)| name.starts_with(path));
        let entry = |(path, node): (&PathBuf, &Node)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(match node {
                Node::Folder => DirEntry { name, is_file: false, bytes: 0, modified: None },
                Node::File(file) => {
                    let File { bytes, modified, .. } = &self.files[*file];
                    DirEntry { name, is_file: true, bytes: bytes.len() as u64, modified: Some(*modified) }
                }
            })
        };
        Ok(below.filter(|(name, _)| name.parent() == Some(path)).filter_map(entry).collect())
    }

    pub(super) fn create_new(&mut self, path: &Path, now: Duration) -> io::Result<usize> {
        self.parent_exists(path)?;
        if self.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.files.push(File { modified: now, ..File::default() });
        self.change(vec![(path.to_owned(), Some(Node::File(self.files.len() - 1)))]);
        Ok(self.files.len() - 1)
    }

    pub(super) fn append(&mut self, file: usize, bytes: &[u8], now: Duration) {
        self.files[file].bytes.extend_from_slice(bytes);
        self.files[file].modified = now;
    }

    pub(super) fn sync(&mut self, file: usize) {
        self.files[file].synced = self.files[file].bytes.len();
    }

    pub(super) fn bytes(&self, file: usize) -> &[u8] {
        &self.files[file].bytes
    }

    /// The file of this name.
    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(self.parent_exists(path).err().unwrap_or_else(|| ErrorKind::NotFound.into())),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.parent_exists(from)?;
        self.parent_exists(to)?;
        let file = self.file(from)?;
        if self.is_dir(to) {
            let is_above = from.starts_with(to);
            return Err(if is_above { ErrorKind::DirectoryNotEmpty } else { ErrorKind::IsADirectory }.into());
        }
        if from != to {
            self.change(vec![(from.to_owned(), None), (to.to_owned(), Some(Node::File(file)))]);
        }
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.change(vec![(path.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_dir(path) {
            self.file(path)?;
        }
        let is_here = |change: &Change| change.iter().any(|(name, _)| name.parent() == Some(path));
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition(is_here);
        self.pending = pending;
        for change in synced {
            apply(&mut self.durable, change);
        }
        Ok(())
    }

    /// Whether the lock is had. Somebody who has it cannot have it twice.
    pub(super) fn try_lock(&mut self, path: &Path, holder: usize, now: Duration) -> io::Result<bool> {
        if self.is_dir(path) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if self.file(path).is_err() {
            self.create_new(path, now)?;
        }
        let is_free = !self.locks.contains_key(path);
        self.locks.entry(path.to_owned()).or_insert(holder);
        Ok(is_free)
    }

    pub(super) fn unlock(&mut self, path: &Path) {
        self.locks.remove(path);
    }

    /// The same, if this process has it.
    pub(super) fn unlock_of(&mut self, path: &Path, holder: usize) {
        self.locks.retain(|locked, of| locked != path || *of != holder);
    }

    /// A process is gone, and its locks with it.
    pub(super) fn unlock_all(&mut self, holder: usize) {
        self.locks.retain(|_, of| *of != holder);
    }

    /// The machine is gone. Of the changes that are not synced the first `kept` survive by chance, and of each
    /// file the bytes that `keeps` says of those that are not synced.
    pub(super) fn power_cut(&mut self, kept: usize, mut keeps: impl FnMut(usize) -> usize) {
        for change in std::mem::take(&mut self.pending).into_iter().take(kept) {
            apply(&mut self.durable, change);
        }
        let is_whole = |path: &&PathBuf| {
            let mut above = path.ancestors().skip(1);
            above.all(|above| above.parent().is_none() || self.durable.get(above) == Some(&Node::Folder))
        };
        let whole: Vec<PathBuf> = self.durable.keys().filter(is_whole).cloned().collect();
        self.durable.retain(|path, _| whole.contains(path));
        let before = std::mem::replace(&mut self.names, self.durable.clone());
        for (names, others, is_there) in [(&before, &self.names, false), (&self.names, &before, true)] {
            for (path, node) in names.iter().filter(|(path, node)| others.get(*path) != Some(node)) {
                if let Node::File(file) = *node {
                    self.events.push(Event { path: path.clone(), file, is_there });
                }
            }
        }
        for file in &mut self.files {
            let kept = keeps(file.bytes.len() - file.synced);
            file.bytes.truncate(file.synced + kept);
            file.synced = file.bytes.len();
        }
        self.locks.clear();
    }

    /// The system has written everything by itself, as it does from time to time.
    pub(super) fn write_back(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.names);
        self.files.iter_mut().for_each(|file| file.synced = file.bytes.len());
    }

    /// How many changes of names are not synced.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    fn parent_exists(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if !self.is_dir(parent) => {
                let is_file = parent.ancestors().any(|above| matches!(self.names.get(above), Some(Node::File(_))));
                Err(if is_file { ErrorKind::NotADirectory } else { ErrorKind::NotFound }.into())
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        for (path, node) in &change {
            if let Some(Node::File(file)) = self.names.get(path) {
                self.events.push(Event { path: path.clone(), file: *file, is_there: false });
            }
            if let Some(Node::File(file)) = node {
                self.events.push(Event { path: path.clone(), file: *file, is_there: true });
            }
        }
        apply(&mut self.names, change.clone());
        self.pending.push(change);
    }
}

fn apply(names: &mut Names, change: Change) {
    for (path, node) in change {
        match node {
            Some(node) => names.insert(path, node),
            None => names.remove(&path),
        };
    }
}
