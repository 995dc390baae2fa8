use cubecl::{
    ir::{ElemType, FloatKind},
    prelude::*,
    server::Handle,
};

/// How a number is stored. Whatever it is, sums, states and the mathematics of cells are float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageDtype {
    /// 32 bits.
    F32,
    /// 16 bits, of which 5 are the exponent.
    F16,
    /// 16 bits, of which 8 are the exponent.
    Bf16,
}

impl StorageDtype {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Whether a device reads and writes such numbers.
    pub fn is_supported(self, client: &Client) -> bool {
        client.properties().supports_type(self.elem())
    }

    pub(crate) fn elem(self) -> ElemType {
        ElemType::Float(match self {
            Self::F32 => FloatKind::F32,
            Self::F16 => FloatKind::F16,
            Self::Bf16 => FloatKind::BF16,
        })
    }
}

/// Numbers on a device.
#[derive(Clone, Debug)]
pub struct Buffer {
    handle: Handle,
    len: usize,
    number: StorageDtype,
}

impl Buffer {
    /// What lies behind a handle: numbers of 32 bits.
    ///
    /// # Panics
    /// If it has not as many.
    pub fn new(handle: Handle, len: usize) -> Self {
        Self::of(handle, len, StorageDtype::F32)
    }

    /// What lies behind a handle.
    ///
    /// # Panics
    /// If it has not as many numbers.
    pub fn of(handle: Handle, len: usize, number: StorageDtype) -> Self {
        let bytes = handle.size_in_used();
        assert!(bytes >= (number.size() * len) as u64, "a buffer of {bytes} bytes is too small for {len} numbers");
        Self { handle, len, number }
    }

    /// Room for numbers of 32 bits, not yet written.
    pub fn empty(client: &Client, len: usize) -> Self {
        Self::empty_of(client, len, StorageDtype::F32)
    }

    /// Room for numbers, not yet written.
    pub(crate) fn empty_of(client: &Client, len: usize, number: StorageDtype) -> Self {
        Self { handle: client.empty(number.size() * len.max(1)), len, number }
    }

    /// Zeros of 32 bits.
    pub(crate) fn zeros(client: &Client, len: usize) -> Self {
        Self { handle: client.create_from_slice(&vec![0; 4 * len.max(1)]), len, number: StorageDtype::F32 }
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

    /// How they are stored.
    pub fn number(&self) -> StorageDtype {
        self.number
    }

    /// What need not be there.
    pub(crate) fn some<T: LaunchArg<RuntimeArg = BufferArg>>(buffer: Option<&Self>) -> ComptimeOptionArgs<T> {
        buffer.map(Self::arg).into()
    }

    pub(crate) fn arg(&self) -> BufferArg {
        // SAFETY: the handle has as many numbers, which `of` and `empty_of` made sure of
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }

    /// As words of 32 bits, without what fills none.
    pub(crate) fn words(&self) -> BufferArg {
        // SAFETY: as above
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len * self.number.size() / 4) }
    }

    /// As vectors of four.
    pub(crate) fn fours(&self) -> BufferArg {
        // SAFETY: as above
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len / 4) }
    }
}
