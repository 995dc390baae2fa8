//! File methods that call the same method of the wrapped file.

use super::*;

macro_rules! forward {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*) -> $result:ty, else $missing:expr;)*) => {$(
        pub(super) unsafe extern "C" fn $name(file: *mut sqlite3_file, $($argument: $type),*) -> $result {
            // SAFETY: SQLite passes an open File, and valid arguments of the method.
            unsafe {
                let file = real_file(file);
                match (*(*file).pMethods).$method {
                    Some(method) => method(file, $($argument),*),
                    None => $missing,
                }
            }
        }
    )*};
}

forward! {
    close = xClose() -> c_int, else ffi::SQLITE_OK;
    read = xRead(to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int, else ffi::SQLITE_IOERR;
    write = xWrite(from: *const c_void, amount: c_int, offset: sqlite3_int64) -> c_int, else ffi::SQLITE_IOERR;
    truncate = xTruncate(size: sqlite3_int64) -> c_int, else ffi::SQLITE_IOERR;
    sync = xSync(flags: c_int) -> c_int, else ffi::SQLITE_IOERR;
    file_size = xFileSize(size: *mut sqlite3_int64) -> c_int, else ffi::SQLITE_IOERR;
    lock = xLock(level: c_int) -> c_int, else ffi::SQLITE_IOERR;
    unlock = xUnlock(level: c_int) -> c_int, else ffi::SQLITE_IOERR;
    check_reserved_lock = xCheckReservedLock(result: *mut c_int) -> c_int, else ffi::SQLITE_IOERR;
    file_control = xFileControl(operation: c_int, argument: *mut c_void) -> c_int, else ffi::SQLITE_NOTFOUND;
    sector_size = xSectorSize() -> c_int, else 4096;
    device_characteristics = xDeviceCharacteristics() -> c_int, else 0;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int, else ffi::SQLITE_IOERR;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int, else ffi::SQLITE_IOERR;
    shm_barrier = xShmBarrier() -> (), else ();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int, else ffi::SQLITE_OK;
}
