//! Damaged files: each mutant is read or gives an error.
//!
//! `ELMAN_MUTANTS` is the number of mutants, `ELMAN_SEED` the seed.

use std::{fs, path::Path};

use burn::tensor::Device;
use cap::Cap;
use elman_recurrence::{LstmConfig, StateDict};
use elman_testkit::{Mutants, Torch, device};

/// Counts allocated bytes; allocations above the limit fail.
#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

const GOLDEN: &str = "tests/golden";

/// Maximum number of additional bytes while reading a mutant of a file of a few kilobytes.
const MEMORY_LIMIT: usize = 256 << 20;

/// Reads everything of a file that can be read.
fn read(path: &Path, device: &Device) -> Result<(), elman_recurrence::ImportError> {
    let file = StateDict::open(path)?;
    let small: Vec<String> = (file.shapes())
        .filter(|(_, shape)| shape.iter().product::<usize>() < 1 << 16)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in small {
        file.data(&name)?;
    }
    let lstm = file.find_model()?.into_network()?.load_into(LstmConfig::new(3, 4).with_layers(2).init(device))?;
    assert_eq!(StateDict::from_module(&lstm).shapes().count(), 8);
    Ok(())
}

#[test]
fn damaged_files_are_read_or_give_errors() {
    let device = device();
    let folder = tempfile::tempdir().expect("a folder");
    let golden = |name: &str| fs::read(Path::new(GOLDEN).join(name)).expect("golden");
    let list = Torch::List(["a", "b", "c"].map(|t| Torch::Text(t.into())).into());
    let nested = Torch::dict([("itos", list), ("net", Torch::dict([("w", Torch::Tensor(vec![2, 2], vec![1.0; 4]))]))]);
    let kinds = [
        ("zip.pt", golden("weight_norm.pt")),
        ("legacy.pt", golden("legacy.pt")),
        ("written.pt", nested.bytes("written")),
        ("plain.safetensors", golden("weight_norm.safetensors")),
    ];
    let files = kinds.map(|(name, whole)| {
        let path = folder.path().join(name);
        fs::write(&path, whole).expect("a file");
        path
    });
    Mutants::new(1000).damage(&files, |path| {
        MEMORY.set_limit(MEMORY.allocated() + MEMORY_LIMIT).expect("a limit");
        let result = read(path, &device);
        MEMORY.set_limit(usize::MAX).expect("no limit");
        result
    });
}
