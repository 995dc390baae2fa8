use elman::{
    DeviceInfo,
    burn::tensor::{Distribution, Tensor},
    layers::cpu::is_cpu,
};
use rayon::prelude::*;

use crate::{
    layer::read_back,
    timing::{Work, alternate},
};

/// What a device reaches with work that is nothing else: what the layers' figures are a share of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceilings {
    pub product: Product,
    pub copy: Copying,
}

impl Ceilings {
    pub fn measure(device: &DeviceInfo, seconds: f64) -> Self {
        Self { product: Product::measure(device, seconds), copy: Copying::measure(device, seconds) }
    }
}

/// How fast a device multiplies large matrices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub gflop_per_second: f64,
    /// `[m, k, n]` of the product of `[m, k]` and `[k, n]`.
    pub size: [usize; 3],
}

impl Product {
    fn measure(device: &DeviceInfo, seconds: f64) -> Self {
        // large enough that a graphics card is busy, and that nothing else than the product counts on a processor
        let size @ [m, k, n] = if device.hardware_gpu { [4096, 4096, 4096] } else { [2048, 2048, 512] };
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device.device);
        let (a, b, device) = (random([m, k]), random([k, n]), device.device.clone());
        let work: Work = Box::new(move || {
            read_back(a.clone().matmul(b.clone()).slice([m - 1..m, n - 1..n]));
            device.sync().expect("the device has finished its work");
        });
        let figure = alternate(&mut [work], seconds)[0];
        Self { gflop_per_second: 2.0 * (m * k * n) as f64 / 1e9 / (figure.ms / 1e3), size }
    }
}

/// How fast a device reads and writes memory that no cache holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copying {
    /// 10⁹ bytes per second, read and written.
    pub gb_per_second: f64,
    /// Of the tensor that is copied.
    pub bytes: usize,
}

impl Copying {
    fn measure(device: &DeviceInfo, seconds: f64) -> Self {
        let (numbers, copies) = match (device.hardware_gpu, is_cpu(&device.device)) {
            // several, so that reading back from a card does not count
            (true, _) => (1 << 27, 8),
            (false, true) => (1 << 26, 1),
            // a driver in software allows no buffer larger than 128 MiB
            (false, false) => (1 << 24, 1),
        };
        let work = if is_cpu(&device.device) { by_threads(numbers) } else { by_kernel(numbers, copies, device) };
        let (figure, bytes) = (alternate(&mut [work], seconds)[0], numbers * size_of::<f32>());
        Self { gb_per_second: (2 * copies * bytes) as f64 / 1e9 / (figure.ms / 1e3), bytes }
    }
}

/// burn's backends for processors copy with one thread, and their layers work with all.
fn by_threads(numbers: usize) -> Work {
    let (from, mut to) = (vec![1.0f32; numbers], vec![0.0f32; numbers]);
    let piece = numbers.div_ceil(4 * rayon::current_num_threads());
    Box::new(move || {
        from.par_chunks(piece).zip(to.par_chunks_mut(piece)).for_each(|(from, to)| to.copy_from_slice(from));
        assert!(std::hint::black_box(&to).last() == Some(&1.0), "not a copy");
    })
}

/// A negation reads and writes as much as a copy does, which burn would not make.
fn by_kernel(numbers: usize, copies: usize, device: &DeviceInfo) -> Work {
    let (x, device) = (Tensor::<1>::ones([numbers], &device.device), device.device.clone());
    Box::new(move || {
        let mut copy = x.clone();
        for _ in 0..copies {
            // waited for, because what nobody reads is not computed where operations are fused
            copy = x.clone().neg();
            device.sync().expect("the device has finished its work");
        }
        read_back(copy.slice(numbers - 1..numbers));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_are_what_large_work_reaches() {
        for device in elman::devices() {
            let Ceilings { product, copy } = Ceilings::measure(&device, 0.0);
            // from far below any processor to far above any graphics card
            assert!((0.01..1e7).contains(&product.gflop_per_second), "{product:?}");
            assert!((0.01..1e6).contains(&copy.gb_per_second), "{copy:?}");
            assert!(product.size.iter().product::<usize>() >= 2048 * 2048 * 512);
            assert!(copy.bytes >= 64 << 20);
        }
    }
}
