//! Device properties that custom kernels need.

use burn::tensor::Device;

/// Whether the device belongs to a CubeCL backend, with or without autodiff: a GPU, or a software driver.
pub fn is_cube(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "cube")]
        burn::backend::DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)] // if no other backend is compiled in
        _ => false,
    }
}

/// The maximum size of a tensor on this device in bytes, if known.
pub fn max_tensor_bytes(device: &Device) -> Option<u64> {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "cube")]
        burn::backend::DispatchDevice::Cube(device) => Some(device.client().properties().memory.max_page_size),
        #[allow(unreachable_patterns)] // if no other backend is compiled in
        _ => None,
    }
}

/// The maximum number of buffers that a kernel can bind on this device, if known.
pub fn max_buffers(device: &Device) -> Option<u32> {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "cube")]
        burn::backend::DispatchDevice::Cube(device) => Some(device.client().properties().hardware.max_bindings),
        #[allow(unreachable_patterns)] // if no other backend is compiled in
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use elman_testkit::devices;

    use super::*;
    use crate::cpu::is_cpu;

    #[test]
    fn a_device_is_a_cpu_or_a_cube_device() {
        for device in devices() {
            let cpu = ["flex", "ndarray"].contains(&device.name);
            for at in [device.device.clone(), device.autodiff()] {
                assert_eq!((is_cpu(&at), is_cube(&at)), (cpu, !cpu), "{device}");
                assert_eq!(max_buffers(&at).is_some_and(|max| max > 1), !cpu, "{device}");
                assert_eq!(max_tensor_bytes(&at).is_some_and(|max| max > 1 << 20), !cpu, "{device}");
            }
        }
    }
}
