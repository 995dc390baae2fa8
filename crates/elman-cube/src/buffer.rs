use cubecl::{prelude::*, server::Handle};

/// Numbers of 32 bits on a device.
#[derive(Clone, Debug)]
pub struct Buffer {
    handle: Handle,
    len: usize,
}

impl Buffer {
    /// What lies behind a handle.
    ///
    /// # Panics
    /// If it has not as many numbers.
    pub fn new(handle: Handle, len: usize) -> Self {
        let bytes = handle.size_in_used();
        assert!(bytes >= 4 * len as u64, "a buffer of {bytes} bytes is too small for {len} numbers");
        Self { handle, len }
    }

    /// Room for numbers, not yet written.
    pub fn empty(client: &Client, len: usize) -> Self {
        Self { handle: client.empty(4 * len.max(1)), len }
    }

    /// Zeros.
    pub(crate) fn zeros(client: &Client, len: usize) -> Self {
        Self { handle: client.create_from_slice(&vec![0; 4 * len.max(1)]), len }
    }

    /// The handle.
    pub fn into_handle(self) -> Handle {
        self.handle
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn arg(&self) -> BufferArg {
        // SAFETY: the handle has as many numbers, which `new` and `empty` made sure of
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }

    /// As vectors of four.
    pub(crate) fn fours(&self) -> BufferArg {
        // SAFETY: as above
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len / 4) }
    }
}
