use serde::Serialize;

/// Whose layers elman's are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Library {
    BurnNn,
    Torch,
    #[serde(rename = "onnxruntime")]
    OnnxRuntime,
}

impl Library {
    /// What the table calls it.
    pub const fn column(self) -> &'static str {
        match self {
            Self::BurnNn => "burn-nn",
            Self::Torch => "torch",
            Self::OnnxRuntime => "ort",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::BurnNn => "burn-nn",
            Self::Torch => "PyTorch",
            Self::OnnxRuntime => "ONNX Runtime",
        }
    }
}
