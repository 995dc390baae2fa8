//! The layer between SQLite and the operating system: a virtual file system (<https://www.sqlite.org/vfs.html>) in front
//! of SQLite's own.
//!
//! A file of ours is a [`File`] with the system's file behind it in the same memory, which SQLite allocates. Only the
//! database itself is ours; logs and journals are opened by the system's functions alone.

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

/// The bytes at the end of a page that hold its checksum. Eight would be taken for SQLite's own cksumvfs.
const RESERVED: usize = 4;

/// What stands in a checksum's place where another program wrote a page.
const NONE: [u8; RESERVED] = [0; RESERVED];

/// SQLite's smallest and largest page.
const PAGE: std::ops::RangeInclusive<usize> = 512..=65_536;

/// A database file.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// What is written in a page's stead: SQLite's memory is not to be changed.
    page: *mut Vec<u8>,
}

/// The name of the virtual file system, registered with SQLite the first time.
pub(crate) fn name() -> Result<&'static CStr, Error> {
    static REGISTERED: OnceLock<c_int> = OnceLock::new();
    let code = *REGISTERED.get_or_init(|| {
        // SAFETY: SQLite's default file system lives as long as the process, as does the copy, which is leaked. Of it
        // the functions that are not ours are replaced by ones that hand on the original.
        unsafe {
            let real = ffi::sqlite3_vfs_find(ptr::null());
            if real.is_null() {
                return ffi::SQLITE_NOTFOUND;
            }
            let ours = sqlite3_vfs {
                // without the functions of later versions, which have substitutes
                iVersion: 1,
                szOsFile: (*real).szOsFile + size_of::<File>() as c_int,
                pNext: ptr::null_mut(),
                zName: NAME.as_ptr(),
                pAppData: real.cast(),
                xOpen: Some(open),
                xDelete: Some(delete),
                xAccess: Some(access),
                xFullPathname: Some(full_pathname),
                // no extension is ever loaded
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
        code => Err(Error::SqliteFailure(ffi::Error::new(code), Some("no virtual file system".into()))),
    }
}

/// Has a database that is not yet written leave room for checksums.
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

/// Whether another program has moved pages from the log into the database, and [`seal`] has not been called since.
pub(crate) fn is_unsealed(connection: &Connection) -> Result<bool, Error> {
    let file = database_file(connection)?;
    // SAFETY: the file is open while the connection is, which nobody else uses meanwhile.
    Ok(unsafe { page_size(file).is_some_and(|page| first_page_is_unsealed(file, page)) })
}

/// How often the schema was changed, as the file has it; none of an empty file.
pub(crate) fn schema_version(connection: &Connection) -> Option<u32> {
    let file = database_file(connection).ok()?;
    let mut version = [0; 4];
    // SAFETY: the file is open while the connection is, and there is room for 4 bytes.
    let code = unsafe { forward::read(file, version.as_mut_ptr().cast(), 4, 40) };
    (code == ffi::SQLITE_OK).then(|| u32::from_be_bytes(version))
}

/// Gives a checksum to every page that has none, to the first page last. Nobody may write the file meanwhile.
pub(crate) fn seal(connection: &Connection) -> Result<(), Error> {
    let file = database_file(connection)?;
    let failed = |code| Err(Error::SqliteFailure(ffi::Error::new(code), None));
    // SAFETY: the file is open while the connection is, which nobody else uses meanwhile.
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
            if *end == NONE {
                end.copy_from_slice(&checksum(content, offset));
                let code = forward::write(file, page.as_ptr().cast(), size as c_int, offset);
                if code != ffi::SQLITE_OK {
                    return failed(code);
                }
            }
            if number == 1 {
                // before the first page says that all others have one
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

/// The file of a connection's database, which is one of ours.
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

/// The size of a database's pages, by its header; none of a file that has no header.
///
/// # Safety
/// `file` must be one of ours that is open.
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

/// Whether the first page on disk has no checksum, so that others may have none. That of a file without pages has one.
///
/// # Safety
/// `file` must be one of ours that is open.
unsafe fn first_page_is_unsealed(file: *mut sqlite3_file, page: usize) -> bool {
    let mut end = [0; RESERVED];
    // SAFETY: there is room for the checksum.
    let code =
        unsafe { forward::read(file, end.as_mut_ptr().cast(), RESERVED as c_int, (page - RESERVED) as sqlite3_int64) };
    code == ffi::SQLITE_OK && end == NONE
}

/// Whether a page that has no checksum may have none. The first page may, if it was not zeroed together with its
/// checksum: its last byte before that belongs to the first table's description. Others may if the first has none.
///
/// # Safety
/// `file` must be one of ours that is open.
unsafe fn may_have_none(file: *mut sqlite3_file, page: &[u8], offset: sqlite3_int64) -> bool {
    match offset {
        0 => page.last().is_some_and(|&last| last != 0),
        // SAFETY: as said.
        _ => unsafe { first_page_is_unsealed(file, page.len() + RESERVED) },
    }
}

/// The checksum of a page; its place counts, so that a page in another's place is noticed. Never 0, which stands for
/// none.
fn checksum(page: &[u8], offset: sqlite3_int64) -> [u8; RESERVED] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(page);
    hasher.update(&offset.to_le_bytes());
    hasher.finalize().max(1).to_le_bytes()
}

fn is_page(amount: usize, offset: sqlite3_int64) -> bool {
    PAGE.contains(&amount) && amount.is_power_of_two() && offset % amount as sqlite3_int64 == 0
}

/// The file system behind ours.
///
/// # Safety
/// `vfs` must be the one that [`name`] registered.
unsafe fn real_vfs(vfs: *mut sqlite3_vfs) -> *mut sqlite3_vfs {
    // SAFETY: as said.
    unsafe { (*vfs).pAppData.cast() }
}

/// The file behind one of ours.
///
/// # Safety
/// `file` must be one that [`open`] opened with [`METHODS`].
unsafe fn real_file(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: szOsFile has made room for both, and a File's size keeps the alignment.
    unsafe { file.cast::<File>().add(1).cast() }
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our file system, and with memory of szOsFile bytes for the file.
    unsafe {
        let real = real_vfs(vfs);
        let Some(open_real) = (*real).xOpen else { return ffi::SQLITE_CANTOPEN };
        if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
            return open_real(real, path, file, flags, out_flags);
        }
        // no methods: SQLite will not close a file that could not be opened
        (*file).pMethods = ptr::null();
        let behind = real_file(file);
        (*behind).pMethods = ptr::null();
        let code = open_real(real, path, behind, flags, out_flags);
        if code == ffi::SQLITE_OK {
            let page = Box::into_raw(Box::new(Vec::new()));
            file.cast::<File>().write(File { base: sqlite3_file { pMethods: &METHODS }, page });
        } else if let Some(close) = (*behind).pMethods.as_ref().and_then(|methods| methods.xClose) {
            close(behind);
        }
        code
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and `page` came from a box.
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).page));
        forward::close(file)
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: SQLite gives room for `amount` bytes, all written where reading succeeded.
    unsafe {
        let code = forward::read(file, to, amount, offset);
        if !is_page(amount as usize, offset) {
            return code;
        }
        if code == ffi::SQLITE_IOERR_SHORT_READ {
            // SQLite takes what is missing for zeros; pages are written whole
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
        let is_whole = if *end == NONE { may_have_none(file, page, offset) } else { *end == checksum(page, offset) };
        if !is_whole {
            return ffi::SQLITE_IOERR_DATA;
        }
        // As SQLite writes it to its log, and whoever empties the log to the database: with no checksum rather than one
        // of what the page was before.
        end.copy_from_slice(&NONE);
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
        // SAFETY: as SQLite calls.
        return unsafe { forward::write(file, from, amount, offset) };
    }
    // SAFETY: SQLite gives `amount` bytes, and uses a file from one thread at a time.
    unsafe {
        let page = &mut *(*file.cast::<File>()).page;
        page.clear();
        page.extend_from_slice(slice::from_raw_parts(from.cast::<u8>(), amount as usize - RESERVED));
        // once the first page has none, others may: it gets one when they have
        let end = match offset == 0 && first_page_is_unsealed(file, amount as usize) {
            true => NONE,
            false => checksum(page, offset),
        };
        page.extend_from_slice(&end);
        forward::write(file, page.as_ptr().cast(), amount, offset)
    }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: as SQLite calls. Parts of pages could not be checked.
    unsafe { forward::device_characteristics(file) & !ffi::SQLITE_IOCAP_SUBPAGE_READ }
}

/// Version 2: without memory maps, whose pages nobody reads through here.
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
            // SAFETY: SQLite calls with our file system, and arguments as the function has them.
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

// The file behind a File starts where it ends.
const _: () = assert!(size_of::<File>().is_multiple_of(mem::align_of::<*const ()>()));
