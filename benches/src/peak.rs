use elman::{
    DeviceInfo,
    burn::tensor::{Distribution, Tensor},
};

use crate::{
    layer::read_back,
    timing::{Work, alternate},
};

/// How fast a device multiplies large matrices: what the layers' figures are a share of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak {
    pub gflop_per_second: f64,
    /// `[m, k, n]` of the product of `[m, k]` and `[k, n]`.
    pub product: [usize; 3],
}

impl Peak {
    pub fn measure(device: &DeviceInfo, seconds: f64) -> Self {
        let product @ [m, k, n] = product(device);
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device.device);
        let (a, b, device) = (random([m, k]), random([k, n]), device.device.clone());
        let work: Work = Box::new(move || {
            read_back(a.clone().matmul(b.clone()).slice([m - 1..m, n - 1..n]));
            device.sync().expect("the device has finished its work");
        });
        let figure = alternate(&mut [work], seconds)[0];
        Self { gflop_per_second: 2.0 * (m * k * n) as f64 / 1e9 / (figure.ms / 1e3), product }
    }
}

/// Large enough that a graphics card is busy, and that nothing else than the product counts on a processor.
fn product(device: &DeviceInfo) -> [usize; 3] {
    if device.hardware_gpu { [4096, 4096, 4096] } else { [2048, 2048, 512] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_what_the_large_product_reaches() {
        let device = elman::devices().into_iter().next().unwrap();
        let peak = Peak::measure(&device, 0.0);
        // from far below any processor to far above any graphics card
        assert!((0.01..1e7).contains(&peak.gflop_per_second), "{peak:?}");
        assert!(peak.product.iter().product::<usize>() >= 2048 * 2048 * 512);
    }
}
