//! Damaged files: whatever is changed in them, they are read or refused.
//!
//! `ELMAN_MUTANTS` is the number for each kind of file (default 250), `ELMAN_SEED` where to begin.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use cap::Cap;
use elman_recurrence::{LstmConfig, StateDict};
use elman_testkit::{Torch, device};

/// Counts what is allocated, and refuses more than the limit.
#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// No mutant of a file of some kilobytes may take more than this beyond what is taken already.
const MEMORY_LIMIT: usize = 256 << 20;

/// splitmix64
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(64)).min(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes[at..end].fill([0, 0xff][random.below(2)]),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.truncate(at.max(1)),
            5 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            6 => {
                let number = [u32::MAX, i32::MAX as u32, 1 << 30, 65_536, 0][random.below(5)];
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
            _ => {
                let other = random.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
}

/// Reads all that can be read of a file.
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
    assert_eq!(StateDict::of(&lstm).shapes().count(), 8);
    Ok(())
}

#[test]
fn damaged_files_are_read_or_refused() {
    let variable = |name: &str| std::env::var(name).ok().map(|v| v.parse().expect("a number"));
    let (count, seed) = (variable("ELMAN_MUTANTS").unwrap_or(250), variable("ELMAN_SEED").unwrap_or(1));
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
    let (mut taken, mut refused) = (0, 0);
    for (name, whole) in kinds {
        let path = folder.path().join(name);
        for n in 0..count {
            let mut random = Random(seed * 1_000_003 + n);
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut random);
            fs::write(&path, &bytes).expect("write");
            let begin = Instant::now();
            MEMORY.set_limit(MEMORY.allocated() + MEMORY_LIMIT).expect("a limit");
            let result = read(&path, &device);
            MEMORY.set_limit(usize::MAX).expect("no limit");
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "{name}, seed {seed}, mutant {n}: {:?}",
                begin.elapsed()
            );
            match result {
                Ok(()) => taken += 1,
                Err(error) => {
                    refused += 1;
                    let message = error.to_string();
                    assert!(!message.contains('\n'), "{name}, seed {seed}, mutant {n}: {message}");
                }
            }
        }
    }
    assert!(refused > taken, "{taken} taken, {refused} refused");
}
