use elman::DeviceInfo;
use serde::{Deserialize, Serialize};

/// The device that a peer is asked to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRequest {
    /// PyTorch's name of the device: `cpu`, `cuda`, `cuda:1`, `mps`.
    pub device: String,
    /// The driver's name of the GPU, if its index is unknown.
    pub card: Option<String>,
}

impl DeviceRequest {
    /// The hardware of an elman device, unless the command line names another.
    pub fn for_device(device: &DeviceInfo, asked: Option<&str>) -> Self {
        let index = device.name.split_once(':').map_or("0", |(_, index)| index);
        let (device, card) = match (asked, device.hardware_gpu, device.backend) {
            (Some(asked), ..) => (asked.to_owned(), None),
            (None, false, _) => ("cpu".into(), None),
            // both libraries use the driver's GPU indices
            (None, true, "cuda" | "rocm") => (format!("cuda:{index}"), None),
            (None, true, "metal") => ("mps".into(), None),
            (None, true, _) => ("cuda".into(), Some(device.description.clone())),
        };
        Self { device, card }
    }

    pub fn is_cpu(&self) -> bool {
        self.device == "cpu"
    }

    pub fn arguments(&self) -> Vec<String> {
        let card = self.card.iter().map(|card| format!("--card={card}"));
        [format!("--device={}", self.device)].into_iter().chain(card).collect()
    }
}

/// The device that a peer reports to run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerDevice {
    /// PyTorch's name of the device.
    pub device: String,
    /// Name of the GPU.
    #[serde(default)]
    pub card: Option<String>,
    /// Kernel library and its version.
    #[serde(default)]
    pub kernels: Option<String>,
    /// Whether matrix products round their operands to TF32 (10 bits of mantissa).
    #[serde(default)]
    pub tf32: Option<bool>,
}

impl PeerDevice {
    /// Human-readable: `cuda:0, NVIDIA H100, cuDNN 91002, TF32`.
    pub fn describe(&self) -> String {
        let tf32 = (self.tf32 == Some(true)).then(|| "TF32".to_owned());
        let parts = [self.card.clone(), self.kernels.clone(), tf32];
        parts.into_iter().flatten().fold(self.device.clone(), |all, part| all + ", " + &part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, backend: &'static str, hardware_gpu: bool, asked: Option<&str>) -> (String, Option<String>) {
        let device = elman::devices()[0].device.clone();
        let info = DeviceInfo { name: name.into(), backend, description: "A Card".into(), hardware_gpu, device };
        let DeviceRequest { device, card } = DeviceRequest::for_device(&info, asked);
        (device, card)
    }

    #[test]
    fn peer_runs_on_the_same_hardware() {
        let on = |device: &str| (device.to_owned(), None);
        assert_eq!(wanted("flex", "flex", false, None), on("cpu"));
        assert_eq!(wanted("wgpu:0", "wgpu", false, None), on("cpu"), "a software driver runs on the CPU");
        assert_eq!(wanted("cuda:1", "cuda", true, None), on("cuda:1"));
        assert_eq!(wanted("rocm:0", "rocm", true, None), on("cuda:0"));
        assert_eq!(wanted("metal:0", "metal", true, None), on("mps"));
        assert_eq!(wanted("vulkan:1", "vulkan", true, None), ("cuda".into(), Some("A Card".into())));
        assert_eq!(wanted("vulkan:1", "vulkan", true, Some("cpu")), on("cpu"));
    }

    #[test]
    fn script_receives_the_gpu_name_if_the_index_is_unknown() {
        let wanted = DeviceRequest { device: "cuda".into(), card: Some("A Card".into()) };
        assert_eq!(wanted.arguments(), ["--device=cuda", "--card=A Card"]);
        assert!(!wanted.is_cpu());
    }

    #[test]
    fn device_is_described_in_one_line() {
        let device: PeerDevice = serde_json::from_str(r#"{"device": "cpu"}"#).unwrap();
        assert_eq!(device.describe(), "cpu");
        let card = r#"{"device": "cuda:0", "card": "A Card", "kernels": "cuDNN 9", "tf32": true}"#;
        let device: PeerDevice = serde_json::from_str(card).unwrap();
        assert_eq!(device.describe(), "cuda:0, A Card, cuDNN 9, TF32");
    }
}
