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

/// Peak throughput of a device, measured; layers are reported as a share of it.
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

/// Throughput of a large matrix product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub gflop_per_second: f64,
    /// `[m, k, n]` of the product of `[m, k]` and `[k, n]`.
    pub size: [usize; 3],
}

impl Product {
    fn measure(device: &DeviceInfo, seconds: f64) -> Self {
        // large enough to occupy a GPU, and for the product to dominate on a CPU
        let size @ [m, k, n] = if device.hardware_gpu { [4096, 4096, 4096] } else { [2048, 2048, 512] };
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device.device);
        let (a, b, device) = (random([m, k]), random([k, n]), device.device.clone());
        let work: Work = Box::new(move || {
            read_back(a.clone().matmul(b.clone()).slice([m - 1..m, n - 1..n]));
            device.sync().expect("the device synchronizes");
        });
        let timing = alternate(&mut [work], seconds)[0];
        Self { gflop_per_second: 2.0 * (m * k * n) as f64 / 1e9 / (timing.ms / 1e3), size }
    }
}

/// Memory bandwidth outside the caches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copying {
    /// 10⁹ bytes per second, reads plus writes.
    pub gb_per_second: f64,
    /// Size of the copied tensor.
    pub bytes: usize,
}

impl Copying {
    fn measure(device: &DeviceInfo, seconds: f64) -> Self {
        let (elements, copies) = match (device.hardware_gpu, is_cpu(&device.device)) {
            // several copies, so that reading back is negligible
            (true, _) => (1 << 27, 8),
            (false, true) => (1 << 26, 1),
            // software drivers limit buffers to 128 MiB
            (false, false) => (1 << 24, 1),
        };
        let work = if is_cpu(&device.device) {
            copy_with_threads(elements)
        } else {
            copy_with_kernel(elements, copies, device)
        };
        let (timing, bytes) = (alternate(&mut [work], seconds)[0], elements * size_of::<f32>());
        Self { gb_per_second: (2 * copies * bytes) as f64 / 1e9 / (timing.ms / 1e3), bytes }
    }
}

/// Copies on all threads: burn's CPU backends copy on one thread, while layers use all of them.
fn copy_with_threads(elements: usize) -> Work {
    let (from, mut to) = (vec![1.0f32; elements], vec![0.0f32; elements]);
    let chunk = elements.div_ceil(4 * rayon::current_num_threads());
    Box::new(move || {
        from.par_chunks(chunk).zip(to.par_chunks_mut(chunk)).for_each(|(from, to)| to.copy_from_slice(from));
        assert!(std::hint::black_box(&to).last() == Some(&1.0), "not a copy");
    })
}

/// Copies with a kernel. A negation has the memory traffic of a copy, which burn would elide.
fn copy_with_kernel(elements: usize, copies: usize, device: &DeviceInfo) -> Work {
    let (x, device) = (Tensor::<1>::ones([elements], &device.device), device.device.clone());
    Box::new(move || {
        let mut copy = x.clone();
        for _ in 0..copies {
            // synchronize: fusion backends skip operations whose results are unused
            copy = x.clone().neg();
            device.sync().expect("the device synchronizes");
        }
        read_back(copy.slice(elements - 1..elements));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_are_plausible() {
        for device in elman::devices() {
            let Ceilings { product, copy } = Ceilings::measure(&device, 0.0);
            // from far below any CPU to far above any GPU
            assert!((0.01..1e7).contains(&product.gflop_per_second), "{product:?}");
            assert!((0.01..1e6).contains(&copy.gb_per_second), "{copy:?}");
            assert!(product.size.iter().product::<usize>() >= 2048 * 2048 * 512);
            assert!(copy.bytes >= 64 << 20);
        }
    }
}
