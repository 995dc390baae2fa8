use cubecl::{
    ir::{ElemType, FloatKind},
    prelude::*,
    server::Handle,
};

/// The dtype in which values are stored. Sums, states and the math of cells are always f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageDtype {
    /// IEEE 754 single precision, 32 bits.
    F32,
    /// IEEE 754 half precision: 16 bits with a 5-bit exponent.
    F16,
    /// bfloat16: 16 bits with an 8-bit exponent.
    Bf16,
}

impl StorageDtype {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Whether the device supports this dtype.
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

/// A buffer on a device.
#[derive(Clone, Debug)]
pub struct Buffer {
    handle: Handle,
    len: usize,
    dtype: StorageDtype,
}

impl Buffer {
    /// Wraps a handle to `len` elements of 32 bits.
    ///
    /// # Panics
    /// If the memory behind the handle is smaller.
    pub fn new(handle: Handle, len: usize) -> Self {
        Self::of(handle, len, StorageDtype::F32)
    }

    /// Wraps a handle to `len` elements.
    ///
    /// # Panics
    /// If the memory behind the handle is smaller.
    pub fn of(handle: Handle, len: usize, dtype: StorageDtype) -> Self {
        let bytes = handle.size_in_used();
        assert!(
            bytes >= (dtype.size() * len) as u64,
            "a buffer of {bytes} bytes is too small for {len} {dtype:?} values"
        );
        Self { handle, len, dtype }
    }

    /// An uninitialized buffer of 32-bit elements.
    pub fn empty(client: &Client, len: usize) -> Self {
        Self::empty_as(client, len, StorageDtype::F32)
    }

    /// An uninitialized buffer.
    pub(crate) fn empty_as(client: &Client, len: usize, dtype: StorageDtype) -> Self {
        Self { handle: client.empty(dtype.size() * len.max(1)), len, dtype }
    }

    /// A buffer of 32-bit zeros.
    pub(crate) fn zeros(client: &Client, len: usize) -> Self {
        Self { handle: client.create_from_slice(&vec![0; 4 * len.max(1)]), len, dtype: StorageDtype::F32 }
    }

    /// The handle.
    pub fn into_handle(self) -> Handle {
        self.handle
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the buffer has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The dtype of the elements.
    pub fn number(&self) -> StorageDtype {
        self.dtype
    }

    /// The kernel argument of an optional buffer.
    pub(crate) fn optional_arg<T: LaunchArg<RuntimeArg = BufferArg>>(buffer: Option<&Self>) -> ComptimeOptionArgs<T> {
        buffer.map(Self::arg).into()
    }

    pub(crate) fn arg(&self) -> BufferArg {
        // SAFETY: `of` and `empty_as` ensure that the handle has `len` elements
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len) }
    }

    /// The kernel argument as words of 32 bits, without an incomplete last word.
    pub(crate) fn word_arg(&self) -> BufferArg {
        // SAFETY: as above
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len * self.dtype.size() / 4) }
    }

    /// The kernel argument as vectors of four elements.
    pub(crate) fn vec4_arg(&self) -> BufferArg {
        // SAFETY: as above
        unsafe { BufferArg::from_raw_parts(self.handle.clone(), self.len / 4) }
    }
}
