//! At most one writer: an advisory lock on `store.lock`, which the operating system drops with the process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use crate::error::IndexError;

/// Locks a folder until the file is dropped. The file itself stays: removing it would let two writers lock two files.
pub(crate) fn lock(folder: &Path) -> Result<File, IndexError> {
    let path = folder.join("store.lock");
    let failed = |source| IndexError::Write { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked { path: folder.into() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
