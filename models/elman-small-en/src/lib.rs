//! `elman-small-en`: a small recurrent sentence encoder for English, embedded in the program. It needs neither files
//! nor a network connection.
//!
//! ```ignore
//! use burn::tensor::Device;
//! use elman_embedding::encoder::Encoder;
//!
//! let device = Device::flex();
//! let encoder = Encoder::from_files(&elman_small_en::files(), Default::default(), &device)?;
//! let vectors = encoder.encode(&["a cat sat on the mat", "shares fell sharply"])?;
//! # Ok::<(), elman_embedding::EmbeddingError>(())
//! ```

use elman_embedding::encoder::Files;

/// The name of the model.
pub const NAME: &str = "elman-small-en";

/// The files of the model directory.
pub fn files() -> Files<'static> {
    Files::new(
        NAME,
        include_bytes!("../config.json"),
        include_bytes!("../tokenizer.json"),
        include_bytes!("../model.safetensors"),
    )
}
