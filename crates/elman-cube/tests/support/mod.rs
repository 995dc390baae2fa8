//! Pseudorandom buffers on a device, and reading buffers back.

use cubecl::prelude::*;
use elman_cube::{Buffer, StorageDtype};
use half::{bf16, f16};

/// A deterministic generator of values between −1/2 and 1/2.
pub struct Random<'a> {
    pub client: &'a Client,
    pub state: u32,
}

impl Random<'_> {
    pub fn next(&mut self, len: usize, scale: f32) -> Buffer {
        self.next_as(len, scale, StorageDtype::F32)
    }

    /// The values do not depend on the dtype: they are multiples of `scale` / 256, which every dtype represents
    /// exactly.
    pub fn next_as(&mut self, len: usize, scale: f32, dtype: StorageDtype) -> Buffer {
        let mut one = || {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            scale * ((self.state >> 24) as f32 / 256.0 - 0.5)
        };
        let bytes: Vec<u8> = match dtype {
            StorageDtype::F32 => (0..len).flat_map(|_| one().to_ne_bytes()).collect(),
            StorageDtype::F16 => (0..len).flat_map(|_| f16::from_f32(one()).to_ne_bytes()).collect(),
            StorageDtype::Bf16 => (0..len).flat_map(|_| bf16::from_f32(one()).to_ne_bytes()).collect(),
        };
        Buffer::of(self.client.create_from_slice(&bytes), len, dtype)
    }
}

/// Reads a buffer back as f32.
pub fn read(client: &Client, buffer: &Buffer) -> Vec<f32> {
    let bytes = client.read_one(buffer.clone().into_handle()).expect("the scan has ended");
    let two = |bytes: &[u8]| bytes.try_into().expect("two bytes");
    let values = bytes.chunks_exact(buffer.number().size()).map(|bytes| match buffer.number() {
        StorageDtype::F32 => f32::from_ne_bytes(bytes.try_into().expect("four bytes")),
        StorageDtype::F16 => f16::from_ne_bytes(two(bytes)).to_f32(),
        StorageDtype::Bf16 => bf16::from_ne_bytes(two(bytes)).to_f32(),
    });
    values.take(buffer.len()).collect()
}
