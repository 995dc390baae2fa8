//! Weights of PyTorch programs: which tensors are imported, and notes.

use std::{fs, path::PathBuf};

use elman_lm::{Import, ImportNote, Imported, LanguageModel, LanguageModelConfig, ModelCard};
use elman_recurrence::StateDict;
use elman_testkit::{Torch, device, shared};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// An elman model, and its weights with the names of a PyTorch program.
struct Fixture {
    folder: TempDir,
    model: LanguageModel,
    tokenizer: TextTokenizer,
}

impl Fixture {
    fn new(tied: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.txt");
        fs::write(&text, "hello, world").unwrap();
        let tokenizer = TokenizerConfig::new(Unit::Char).train(&Corpus::open([&text]).unwrap()).unwrap();
        let config = LanguageModelConfig::new(tokenizer.vocab_size());
        let config = LanguageModelConfig { d_embed: 4, d_hidden: 4, layers: 1, tied, ..config };
        let model = config.init(&device()).unwrap();
        model.save_dir(folder.path().join("model"), &tokenizer, &ModelCard::new("test")).unwrap();
        Self { folder, model, tokenizer }
    }

    fn weights(&self) -> Vec<(String, Torch)> {
        let weights = StateDict::from_module(&self.model);
        let names: Vec<String> = weights.shapes().map(|(name, _)| name.to_owned()).collect();
        let tensor = |name: &String| {
            let data = weights.data(name).unwrap().unwrap();
            Torch::Tensor(data.shape().to_vec(), data.try_to_vec::<f32>().unwrap())
        };
        let torch = |name: &str| name.replace("network.", "rnn.").replace("embedding.", "encoder.");
        names.iter().map(|name| (torch(name).replace("output.", "decoder."), tensor(name))).collect()
    }

    fn import(&self, file: Torch) -> Import {
        let path = self.folder.path().join("checkpoint.pt");
        file.save(&path);
        let model_file = |name: &str| -> PathBuf { self.folder.path().join("model").join(name) };
        Import::new(path, model_file("config.json"), model_file("tokenizer.json"))
    }

    fn imported(&self, file: Torch) -> Imported {
        self.import(file).load(&device()).unwrap()
    }

    fn error(&self, file: Torch) -> String {
        self.import(file).load(&device()).unwrap_err().to_string()
    }

    /// Asserts that the models have the same weights, bit for bit.
    fn assert_same_weights(&self, other: &LanguageModel) {
        let (a, b) = (StateDict::from_module(&self.model), StateDict::from_module(other));
        for (name, _) in a.shapes() {
            assert_eq!(a.data(name).unwrap(), b.data(name).unwrap(), "{name}");
        }
    }
}

fn zeros(shape: &[usize]) -> Torch {
    Torch::Tensor(shape.to_vec(), vec![0.0; shape.iter().product()])
}

#[test]
fn a_checkpoint_is_imported_and_unused_tensors_are_reported() {
    let fixture = Fixture::new(false);
    let imported = fixture.imported(Torch::dict(fixture.weights()));
    fixture.assert_same_weights(&imported.model);
    assert_eq!(imported.notes, [ImportNote::OrderUnknown]);
    let wrapped = fixture.weights().into_iter().map(|(name, tensor)| (format!("_orig_mod.{name}"), tensor));
    let imported = fixture.imported(Torch::dict([
        ("model", Torch::dict(wrapped)),
        ("best_val_loss", zeros(&[])),
        ("optimizer", Torch::dict([("0", zeros(&[3])), ("1", zeros(&[3]))])),
    ]));
    fixture.assert_same_weights(&imported.model);
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    assert!(notes[1].ends_with("which were ignored: best_val_loss, optimizer (2)"), "{notes:?}");
}

#[test]
fn the_recurrent_layers_may_have_any_name() {
    let fixture = Fixture::new(false);
    let renamed = fixture.weights().into_iter().map(|(name, t)| {
        (name.replace("encoder.", "embed.").replace("rnn.", "encoder.").replace("decoder.", "lm_head."), t)
    });
    fixture.assert_same_weights(&fixture.imported(Torch::dict(renamed)).model);
    // in a nested module
    let nested = fixture.weights().into_iter().map(|(name, t)| (name.replace("rnn.", "core.layers.lstm."), t));
    fixture.assert_same_weights(&fixture.imported(Torch::dict([("state_dict", Torch::dict(nested))])).model);
}

#[test]
fn ambiguous_tensors_are_an_error() {
    let fixture = Fixture::new(false);
    let vocabulary = fixture.tokenizer.vocab_size();
    for (name, expected, other) in
        [("embedding.weight", "embedding.weight", "encoder.weight"), ("head.weight", "output.weight", "decoder.weight")]
    {
        let mut file = fixture.weights();
        file.push((name.into(), zeros(&[vocabulary, 4])));
        let message = fixture.error(Torch::dict(file));
        assert!(message.contains(&format!("more than one tensor that could be '{expected}'")), "{message}");
        for name in [name, other] {
            assert!(message.contains(&format!("{name} [{vocabulary}, 4]")), "{message}");
        }
    }
    let other = || fixture.weights().into_iter().map(|(name, t)| (name.replace("rnn.", "lstm."), t));
    let message =
        fixture.error(Torch::dict(fixture.weights().into_iter().chain(other().filter(|(n, _)| n.contains("lstm")))));
    assert!(message.contains("several recurrent networks in one module: lstm, rnn"), "{message}");

    let file = Torch::dict([("model", Torch::dict(fixture.weights())), ("ema", Torch::dict(other()))]);
    let message = fixture.error(file.clone());
    assert!(message.contains("ema.lstm.weight_ih_l0, model.rnn.weight_ih_l0; choose one"), "{message}");
    for prefix in ["model", "ema."] {
        let imported = fixture.import(file.clone()).with_prefix(prefix).load(&device()).unwrap();
        fixture.assert_same_weights(&imported.model);
        assert_eq!(imported.notes, [ImportNote::OrderUnknown]);
    }
    let message = fixture.import(file).with_prefix("emma").load(&device()).unwrap_err().to_string();
    assert!(message.contains("begins with 'emma.' (they have: ema.decoder.bias, "), "{message}");
}

#[test]
fn errors_use_the_tensor_names_of_the_file() {
    let fixture = Fixture::new(false);
    let mut file = fixture.weights();
    file.push(("norm.weight".into(), zeros(&[4])));
    let message = fixture.error(Torch::dict([("net", Torch::dict(file))]));
    assert!(message.contains("that the network lacks: net.norm.weight ("), "{message}");
    let file = fixture.weights().into_iter().filter(|(name, _)| name != "rnn.bias_hh_l0");
    let message = fixture.error(Torch::dict([("net", Torch::dict(file))]));
    assert!(message.contains("no tensor 'net.rnn.bias_hh_l0'"), "{message}");
}

#[test]
fn the_output_weight_of_a_tied_model_must_equal_its_embedding() {
    let fixture = Fixture::new(true);
    let embedding = fixture.weights().into_iter().find(|(name, _)| name == "encoder.weight").unwrap().1;
    let with = |tensor: Torch| Torch::dict([fixture.weights(), vec![("decoder.weight".into(), tensor)]].concat());
    fixture.assert_same_weights(&fixture.imported(Torch::dict(fixture.weights())).model);
    fixture.assert_same_weights(&fixture.imported(with(embedding)).model);
    let message = fixture.error(with(zeros(&[fixture.tokenizer.vocab_size(), 4])));
    assert!(message.contains("ties the output") && message.ends_with(": set tied to false"), "{message}");
}

#[test]
fn other_token_ids_than_in_the_file_are_an_error() {
    let fixture = Fixture::new(false);
    let mut tokens: Vec<String> = (0..).map_while(|id| fixture.tokenizer.id_to_token(id)).collect();
    assert_eq!(tokens.len(), fixture.tokenizer.vocab_size());
    let with = |tokens: &[String]| {
        let list = Torch::List(tokens.iter().cloned().map(Torch::Text).collect());
        Torch::dict([("itos", list), ("state_dict", Torch::dict(fixture.weights()))])
    };
    assert_eq!(fixture.imported(with(&tokens)).notes, []);
    tokens.swap(3, 5);
    let message = fixture.error(with(&tokens));
    let expected = format!("its token '{}' has the id 5, and in the vocabulary 'itos' of the weights 3", tokens[3]);
    assert!(message.ends_with(&expected), "{message}");
    // texts that are not tokens
    let others: Vec<String> = (0..tokens.len()).map(|n| format!("file {n}")).collect();
    assert_eq!(fixture.imported(with(&others)).notes, [ImportNote::OrderUnknown]);
}

#[test]
fn common_checkpoint_layouts_are_read() {
    let Some(folder) = shared("cases/import-wrapped") else { return };
    let names = StateDict::open(folder.join("plain.pt")).unwrap();
    for name in [
        "plain.pt",
        "whole.pt",
        "legacy.pt",
        "module.pt",
        "orig.pt",
        "nested_sd.pt",
        "nanogpt.pt",
        "lightning.ckpt",
        "weightdrop.pt",
    ] {
        let import = Import::new(folder.join(name), folder.join("config.json"), folder.join("tokenizer.json"));
        let model = StateDict::from_module(&import.load(&device()).unwrap_or_else(|e| panic!("{name}: {e}")).model);
        let file = StateDict::open(folder.join(name)).unwrap();
        for (weight, _) in names.shapes() {
            let ends = |found: &str| found.replace(".module.", ".").trim_end_matches("_raw").ends_with(weight);
            let (found, _) = file.shapes().find(|(found, _)| ends(found)).unwrap_or_else(|| panic!("{name}: {weight}"));
            let own =
                weight.replace("encoder.", "embedding.").replace("rnn.", "network.").replace("decoder.", "output.");
            let data = model.data(&own).unwrap().expect("a weight");
            assert_eq!(data, file.data(found).unwrap().expect("a tensor"), "{name}: {weight}");
        }
    }
}
