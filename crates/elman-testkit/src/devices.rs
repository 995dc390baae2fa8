use std::fmt;

use burn::tensor::Device;

use crate::exclusive;

/// A compiled-in device, with the name of its backend.
#[derive(Clone, Debug)]
pub struct TestDevice {
    /// The backend's feature name: `flex`, `ndarray`, `wgpu`.
    pub name: &'static str,
    /// The device, without autodiff.
    pub device: Device,
}

impl TestDevice {
    /// The same device with autodiff.
    pub fn autodiff(&self) -> Device {
        self.device.clone().autodiff()
    }
}

impl fmt::Display for TestDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The first of [`devices`].
pub fn device() -> Device {
    devices().swap_remove(0).device
}

/// All compiled-in devices, one per backend. `ELMAN_TEST_DEVICES=flex,wgpu` restricts the list.
///
/// Tests of one process that call this run one after another, and each starts with the same seed in every run;
/// `ELMAN_TEST_SEED=7` sets another seed.
///
/// # Panics
/// If the list is empty: a test without devices tests nothing.
pub fn devices() -> Vec<TestDevice> {
    let all = compiled_in();
    exclusive::acquire(|| {
        let seed =
            std::env::var("ELMAN_TEST_SEED").map_or(0, |seed| seed.parse().expect("ELMAN_TEST_SEED is a number"));
        all.iter().for_each(|device| device.device.seed(seed));
    });
    all
}

fn compiled_in() -> Vec<TestDevice> {
    #[allow(unused_mut)]
    let mut all: Vec<TestDevice> = Vec::new();
    #[cfg(feature = "flex")]
    all.push(TestDevice { name: "flex", device: Device::flex() });
    #[cfg(feature = "ndarray")]
    #[allow(deprecated)] // burn deprecates the backend; elman supports it
    all.push(TestDevice { name: "ndarray", device: Device::ndarray() });
    #[cfg(feature = "wgpu")]
    all.push(TestDevice { name: "wgpu", device: Device::wgpu(Default::default()) });
    #[cfg(feature = "cuda")]
    all.push(TestDevice { name: "cuda", device: Device::cuda(0) });
    #[cfg(feature = "rocm")]
    all.push(TestDevice { name: "rocm", device: Device::rocm(0) });
    if let Ok(names) = std::env::var("ELMAN_TEST_DEVICES") {
        all.retain(|d| names.split(',').any(|n| n.trim() == d.name));
    }
    assert!(!all.is_empty(), "no device to test on: enable a backend feature, or extend ELMAN_TEST_DEVICES");
    all
}
