//! Numbers for a device, and from it.

use cubecl::prelude::*;
use elman_cube::{Buffer, StorageDtype};
use half::{bf16, f16};

/// Numbers between −1/2 and 1/2, always the same.
pub struct Numbers<'a> {
    pub client: &'a Client,
    pub state: u32,
}

impl Numbers<'_> {
    pub fn next(&mut self, len: usize, scale: f32) -> Buffer {
        self.next_of(len, scale, StorageDtype::F32)
    }

    /// The same, however they are stored, of steps that all of them have.
    pub fn next_of(&mut self, len: usize, scale: f32, number: StorageDtype) -> Buffer {
        let mut one = || {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            scale * ((self.state >> 24) as f32 / 256.0 - 0.5)
        };
        let bytes: Vec<u8> = match number {
            StorageDtype::F32 => (0..len).flat_map(|_| one().to_ne_bytes()).collect(),
            StorageDtype::F16 => (0..len).flat_map(|_| f16::from_f32(one()).to_ne_bytes()).collect(),
            StorageDtype::Bf16 => (0..len).flat_map(|_| bf16::from_f32(one()).to_ne_bytes()).collect(),
        };
        Buffer::of(self.client.create_from_slice(&bytes), len, number)
    }
}

/// What a device has made.
pub fn read(client: &Client, buffer: &Buffer) -> Vec<f32> {
    let bytes = client.read_one(buffer.clone().into_handle()).expect("the walk has ended");
    let two = |bytes: &[u8]| bytes.try_into().expect("two bytes");
    let numbers = bytes.chunks_exact(buffer.number().size()).map(|bytes| match buffer.number() {
        StorageDtype::F32 => f32::from_ne_bytes(bytes.try_into().expect("four bytes")),
        StorageDtype::F16 => f16::from_ne_bytes(two(bytes)).to_f32(),
        StorageDtype::Bf16 => bf16::from_ne_bytes(two(bytes)).to_f32(),
    });
    numbers.take(buffer.len()).collect()
}
