//! An exported encoder gives the same vectors in sentence-transformers. Needs `ELMAN_PYTHON`, a Python that has it.

use std::process::Command;

use elman_embedding::encoder::{Encoder, EncoderConfig, Files, StoredDtype};
use elman_recurrence::CellKind;
use elman_testkit::device;
use elman_text::{Corpus, Tokenizer, TokenizerConfig, Unit};

/// f32 rounding of other kernels.
const ROUNDING: f32 = 2e-5;
const TEXTS: [&str; 5] = ["a cat sat on the mat", "", "dog", "the dog sat on the cat, all day long", "at"];

const SCRIPT: &str = "
import json, sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], trust_remote_code=True, device='cpu')
print(json.dumps(model.encode(json.loads(sys.argv[2])).tolist()))
";

#[test]
fn sentence_transformers_gives_the_same_vectors() {
    let Some(python) = std::env::var_os("ELMAN_PYTHON") else {
        eprintln!("skipped: ELMAN_PYTHON is not set to a Python with sentence-transformers");
        return;
    };
    for (cell, layers, bidirectional, pooling, weights) in [
        (CellKind::Gru, 1, false, "mean", StoredDtype::Int8),
        (CellKind::Lstm, 2, true, "last+attention", StoredDtype::F32),
        (CellKind::Rnn, 1, false, "last+max", StoredDtype::F16),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.txt");
        std::fs::write(&text, TEXTS.join("\n")).unwrap();
        let tokenizer = TokenizerConfig::new(Unit::Word).train(&Corpus::open([text]).unwrap()).unwrap();
        let config = EncoderConfig {
            d_embed: 6,
            d_hidden: 5,
            cell,
            layers,
            bidirectional,
            pooling: pooling.parse().unwrap(),
            d_projection: (cell != CellKind::Rnn).then_some(7),
            ..EncoderConfig::new(tokenizer.vocab_size())
        };
        let model = config.init(&device()).unwrap();
        model.save(folder.path(), &tokenizer, "", weights).unwrap();
        model.save_python(folder.path()).unwrap();
        let (model, tokenizer) = Files::read(folder.path()).unwrap().model(&device()).unwrap();
        let expected = Encoder::new(model, tokenizer).unwrap().encode(&TEXTS).unwrap();

        let texts = serde_json::to_string(&TEXTS).unwrap();
        let output = Command::new(&python).args(["-c", SCRIPT]).arg(folder.path()).arg(texts).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Vec<Vec<f32>> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found.len(), expected.len());
        for (text, (found, expected)) in TEXTS.iter().zip(found.iter().zip(&expected)) {
            let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(found.len() == expected.len() && off < ROUNDING, "{cell}, {text:?}: off by {off}");
        }
    }
}
