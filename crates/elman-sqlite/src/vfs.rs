//! A virtual file system (VFS, <https://www.sqlite.org/vfs.html>) that wraps SQLite's default VFS.
//!
//! A file of this VFS is a [`File`], followed by the file of the default VFS in the same memory, which SQLite
//! allocates. Only database files are wrapped; logs and journals are opened by the default VFS alone.

mod forward;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem, ptr, slice,
    sync::OnceLock,
};

use rusqlite::{
    Connection, Error,
    ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs},
};

const NAME: &CStr = c"elman-checksums";

/// Bytes at the end of a page for its checksum. SQLite's cksumvfs would recognize 8 as its own.
const RESERVED: usize = 4;

/// The bytes in place of the checksum of a page that another program wrote.
const NO_CHECKSUM: [u8; RESERVED] = [0; RESERVED];

/// SQLite's range of page sizes.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// A database file.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// Buffer for a page with its checksum: SQLite's memory must not be changed.
    page: *mut Vec<u8>,
}

/// Registers the VFS with SQLite at the first call, and returns its name.
pub(crate) fn register() -> Result<&'static CStr, Error> {
    static REGISTERED: OnceLock<c_int> = OnceLock::new();
    let code = *REGISTERED.get_or_init(|| {
        // SAFETY: SQLite's default VFS lives as long as the process, as does the copy, which is leaked. All functions
        // of the copy that SQLite calls are ours, and pass the original VFS on.
        unsafe {
            let real = ffi::sqlite3_vfs_find(ptr::null());
            if real.is_null() {
                return ffi::SQLITE_NOTFOUND;
            }
            let ours = sqlite3_vfs {
                // without the functions of later versions, for which SQLite has fallbacks
                iVersion: 1,
                szOsFile: (*real).szOsFile + size_of::<File>() as c_int,
                pNext: ptr::null_mut(),
                zName: NAME.as_ptr(),
                pAppData: real.cast(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_pathname),
                // extensions are never loaded
                xDlOpen: None,
                xDlError: None,
                xDlSym: None,
                xDlClose: None,
                xRandomness: Some(randomness),
                xSleep: Some(sleep),
                xCurrentTime: Some(current_time),
                xGetLastError: Some(get_last_error),
                ..*real
            };
            ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 0)
        }
    });
    match code {
        ffi::SQLITE_OK => Ok(NAME),
        code => {
            Err(Error::SqliteFailure(ffi::Error::new(code), Some("cannot register the virtual file system".into())))
        }
    }
}

/// Reserves room for checksums in a database that is not yet written.
pub(crate) fn reserve(connection: &Connection) -> Result<(), Error> {
    let mut bytes = RESERVED as c_int;
    // SAFETY: the handle is valid while the connection lives, and the file control reads and writes one int.
    let code = unsafe {
        let argument = (&raw mut bytes).cast::<c_void>();
        ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), ffi::SQLITE_FCNTL_RESERVE_BYTES, argument)
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// Whether another program checkpointed pages, and [`add_missing_checksums`] has not been called since.
pub(crate) fn lacks_checksums(connection: &Connection) -> Result<bool, Error> {
    let file = database_file(connection)?;
    // SAFETY: the file is open as long as the connection, which nothing else uses meanwhile.
    Ok(unsafe { page_size(file).is_some_and(|page| first_page_lacks_checksum(file, page)) })
}

/// The schema version in the header of the file; `None` if it is empty.
pub(crate) fn schema_version(connection: &Connection) -> Option<u32> {
    let file = database_file(connection).ok()?;
    let mut version = [0; 4];
    // SAFETY: the file is open as long as the connection, and there is room for 4 bytes.
    let code = unsafe { forward::read(file, version.as_mut_ptr().cast(), 4, 40) };
    (code == ffi::SQLITE_OK).then(|| u32::from_be_bytes(version))
}

/// Adds missing checksums to all pages, to the first page last. The file must not be written meanwhile.
pub(crate) fn add_missing_checksums(connection: &Connection) -> Result<(), Error> {
    let file = database_file(connection)?;
    let failed = |code| Err(Error::SqliteFailure(ffi::Error::new(code), None));
    // SAFETY: the file is open as long as the connection, which nothing else uses meanwhile.
    unsafe {
        let Some(size) = page_size(file) else { return failed(ffi::SQLITE_NOTADB) };
        let mut length: sqlite3_int64 = 0;
        let code = forward::file_size(file, &raw mut length);
        if code != ffi::SQLITE_OK {
            return failed(code);
        }
        let mut page = vec![0; size];
        let pages = length / size as sqlite3_int64;
        for number in (0..pages).rev() {
            let offset = number * size as sqlite3_int64;
            let code = forward::read(file, page.as_mut_ptr().cast(), size as c_int, offset);
            if code != ffi::SQLITE_OK {
                return failed(code);
            }
            let (content, end) = page.split_at_mut(size - RESERVED);
            if *end == NO_CHECKSUM {
                end.copy_from_slice(&checksum(content, offset));
                let code = forward::write(file, page.as_ptr().cast(), size as c_int, offset);
                if code != ffi::SQLITE_OK {
                    return failed(code);
                }
            }
            if number == 1 {
                // all other pages must be durable before the first page gets its checksum
                let code = forward::sync(file, ffi::SQLITE_SYNC_FULL);
                if code != ffi::SQLITE_OK {
                    return failed(code);
                }
            }
        }
        match forward::sync(file, ffi::SQLITE_SYNC_FULL) {
            ffi::SQLITE_OK => Ok(()),
            code => failed(code),
        }
    }
}

/// The file of a connection's database, which is a [`File`].
fn database_file(connection: &Connection) -> Result<*mut sqlite3_file, Error> {
    let mut file: *mut sqlite3_file = ptr::null_mut();
    // SAFETY: the handle is valid while the connection lives, and the file control writes one pointer.
    let code = unsafe {
        let argument = (&raw mut file).cast::<c_void>();
        ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), ffi::SQLITE_FCNTL_FILE_POINTER, argument)
    };
    match code {
        ffi::SQLITE_OK if !file.is_null() => Ok(file),
        ffi::SQLITE_OK => Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOTFOUND), None)),
        code => Err(Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// The page size in the header of a database; `None` if there is no header.
///
/// # Safety
/// `file` must be an open [`File`].
unsafe fn page_size(file: *mut sqlite3_file) -> Option<usize> {
    let mut size = [0; 2];
    // SAFETY: there is room for 2 bytes.
    let code = unsafe { forward::read(file, size.as_mut_ptr().cast(), 2, 16) };
    let size = match u16::from_be_bytes(size) {
        1 => 65_536,
        size => usize::from(size),
    };
    (code == ffi::SQLITE_OK && is_page(size, 0)).then_some(size)
}

/// Whether the first page on disk lacks its checksum, so that others may lack theirs. False for a file without pages.
///
/// # Safety
/// `file` must be an open [`File`].
unsafe fn first_page_lacks_checksum(file: *mut sqlite3_file, page: usize) -> bool {
    let mut end = [0; RESERVED];
    // SAFETY: there is room for the checksum.
    let code =
        unsafe { forward::read(file, end.as_mut_ptr().cast(), RESERVED as c_int, (page - RESERVED) as sqlite3_int64) };
    code == ffi::SQLITE_OK && end == NO_CHECKSUM
}

/// Whether a page without a checksum is valid. The first page is, if it was not zeroed together with its checksum: the
/// byte before the checksum belongs to the description of the first table. Others are, if the first page lacks its
/// checksum.
///
/// # Safety
/// `file` must be an open [`File`].
unsafe fn may_lack_checksum(file: *mut sqlite3_file, page: &[u8], offset: sqlite3_int64) -> bool {
    match offset {
        0 => page.last().is_some_and(|&last| last != 0),
        // SAFETY: the caller guarantees it.
        _ => unsafe { first_page_lacks_checksum(file, page.len() + RESERVED) },
    }
}

/// The checksum of a page. Includes the offset, so that a misplaced page is detected. Never 0, which means no checksum.
fn checksum(page: &[u8], offset: sqlite3_int64) -> [u8; RESERVED] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(page);
    hasher.update(&offset.to_le_bytes());
    hasher.finalize().max(1).to_le_bytes()
}

fn is_page(amount: usize, offset: sqlite3_int64) -> bool {
    PAGE_SIZES.contains(&amount) && amount.is_power_of_two() && offset % amount as sqlite3_int64 == 0
}

/// The default VFS that ours wraps.
///
/// # Safety
/// `vfs` must be the one that [`register`] registered.
unsafe fn real_vfs(vfs: *mut sqlite3_vfs) -> *mut sqlite3_vfs {
    // SAFETY: the caller guarantees it.
    unsafe { (*vfs).pAppData.cast() }
}

/// The file of the default VFS that a [`File`] wraps.
///
/// # Safety
/// `file` must be one that [`open`] opened with [`METHODS`].
unsafe fn real_file(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: szOsFile reserves room for both, and the size of File preserves the alignment.
    unsafe { file.cast::<File>().add(1).cast() }
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes our VFS, and memory of szOsFile bytes for the file.
    unsafe {
        let real = real_vfs(vfs);
        let Some(open_real) = (*real).xOpen else { return ffi::SQLITE_CANTOPEN };
        if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
            return open_real(real, path, file, flags, out_flags);
        }
        // without methods, SQLite does not close a file that could not be opened
        (*file).pMethods = ptr::null();
        let underlying = real_file(file);
        (*underlying).pMethods = ptr::null();
        let code = open_real(real, path, underlying, flags, out_flags);
        if code == ffi::SQLITE_OK {
            let page = Box::into_raw(Box::new(Vec::new()));
            file.cast::<File>().write(File { base: sqlite3_file { pMethods: &METHODS }, page });
        } else if let Some(close) = (*underlying).pMethods.as_ref().and_then(|methods| methods.xClose) {
            close(underlying);
        }
        code
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and `page` is from `Box::into_raw`.
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).page));
        forward::close(file)
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: SQLite provides a buffer of `amount` bytes, all of which a successful read writes.
    unsafe {
        let code = forward::read(file, to, amount, offset);
        if !is_page(amount as usize, offset) {
            return code;
        }
        if code == ffi::SQLITE_IOERR_SHORT_READ {
            // SQLite would read missing bytes as zeros, but pages are always written whole
            let mut length: sqlite3_int64 = 0;
            return match forward::file_size(file, &raw mut length) {
                ffi::SQLITE_OK if length > offset => ffi::SQLITE_IOERR_DATA,
                ffi::SQLITE_OK => code,
                failed => failed,
            };
        }
        if code != ffi::SQLITE_OK {
            return code;
        }
        let (page, end) =
            slice::from_raw_parts_mut(to.cast::<u8>(), amount as usize).split_at_mut(amount as usize - RESERVED);
        let is_valid =
            if *end == NO_CHECKSUM { may_lack_checksum(file, page, offset) } else { *end == checksum(page, offset) };
        if !is_valid {
            return ffi::SQLITE_IOERR_DATA;
        }
        // SQLite copies these bytes to its log, and a checkpoint to the database: better no checksum than an outdated
        // one.
        end.copy_from_slice(&NO_CHECKSUM);
        code
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    if !is_page(amount as usize, offset) {
        // SAFETY: the arguments are those of SQLite.
        return unsafe { forward::write(file, from, amount, offset) };
    }
    // SAFETY: SQLite passes `amount` bytes, and uses a file from one thread at a time.
    unsafe {
        let page = &mut *(*file.cast::<File>()).page;
        page.clear();
        page.extend_from_slice(slice::from_raw_parts(from.cast::<u8>(), amount as usize - RESERVED));
        // if the first page lacks its checksum, others may too: it gets one only after all others
        let end = match offset == 0 && first_page_lacks_checksum(file, amount as usize) {
            true => NO_CHECKSUM,
            false => checksum(page, offset),
        };
        page.extend_from_slice(&end);
        forward::write(file, page.as_ptr().cast(), amount, offset)
    }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the argument is that of SQLite. Reads of parts of pages could not be verified.
    unsafe { forward::device_characteristics(file) & !ffi::SQLITE_IOCAP_SUBPAGE_READ }
}

/// Version 2: without memory mapping, which would bypass verification.
static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(forward::truncate),
    xSync: Some(forward::sync),
    xFileSize: Some(forward::file_size),
    xLock: Some(forward::lock),
    xUnlock: Some(forward::unlock),
    xCheckReservedLock: Some(forward::check_reserved_lock),
    xFileControl: Some(forward::file_control),
    xSectorSize: Some(forward::sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(forward::shm_map),
    xShmLock: Some(forward::shm_lock),
    xShmBarrier: Some(forward::shm_barrier),
    xShmUnmap: Some(forward::shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

macro_rules! forward_vfs {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*), else $missing:expr;)*) => {$(
        unsafe extern "C" fn $name(vfs: *mut sqlite3_vfs, $($argument: $type),*) -> c_int {
            // SAFETY: SQLite passes our VFS, and valid arguments of the function.
            unsafe {
                let real = real_vfs(vfs);
                match (*real).$method {
                    Some(method) => method(real, $($argument),*),
                    None => $missing,
                }
            }
        }
    )*};
}

forward_vfs! {
    delete = xDelete(path: *const c_char, sync_folder: c_int), else ffi::SQLITE_IOERR;
    access = xAccess(path: *const c_char, flags: c_int, result: *mut c_int), else ffi::SQLITE_IOERR;
    full_pathname = xFullPathname(path: *const c_char, room: c_int, to: *mut c_char), else ffi::SQLITE_IOERR;
    randomness = xRandomness(bytes: c_int, to: *mut c_char), else 0;
    sleep = xSleep(microseconds: c_int), else 0;
    current_time = xCurrentTime(to: *mut f64), else ffi::SQLITE_ERROR;
    get_last_error = xGetLastError(room: c_int, to: *mut c_char), else 0;
}

// The wrapped file starts at the end of File.
const _: () = assert!(size_of::<File>().is_multiple_of(mem::align_of::<*const ()>()));
