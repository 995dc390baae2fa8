//! Weights of PyTorch programs: which tensors are taken, and what is told.

use std::{fs, path::PathBuf};

use elman_lm::{Import, ImportNote, Imported, LanguageModel, LanguageModelConfig, ModelCard};
use elman_recurrence::StateDict;
use elman_testkit::{Torch, device, shared};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// A model of elman's own, and its weights as a PyTorch program would name them.
struct Place {
    folder: TempDir,
    model: LanguageModel,
    tokenizer: TextTokenizer,
}

impl Place {
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
        let beside = |name: &str| -> PathBuf { self.folder.path().join("model").join(name) };
        Import::new(path, beside("config.json"), beside("tokenizer.json"))
    }

    fn imported(&self, file: Torch) -> Imported {
        self.import(file).load(&device()).unwrap()
    }

    fn error(&self, file: Torch) -> String {
        self.import(file).load(&device()).unwrap_err().to_string()
    }

    /// Asserts that the model has this one's weights, bit for bit.
    fn is(&self, other: &LanguageModel) {
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
fn a_checkpoint_gives_the_models_weights_and_tells_what_is_left() {
    let place = Place::new(false);
    let imported = place.imported(Torch::dict(place.weights()));
    place.is(&imported.model);
    assert_eq!(imported.notes, [ImportNote::OrderUnknown]);
    let wrapped = place.weights().into_iter().map(|(name, tensor)| (format!("_orig_mod.{name}"), tensor));
    let imported = place.imported(Torch::dict([
        ("model", Torch::dict(wrapped)),
        ("best_val_loss", zeros(&[])),
        ("optimizer", Torch::dict([("0", zeros(&[3])), ("1", zeros(&[3]))])),
    ]));
    place.is(&imported.model);
    let told: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    assert!(told[1].ends_with("were not used: best_val_loss, optimizer (2)"), "{told:?}");
}

#[test]
fn the_recurrent_layers_may_have_any_name() {
    let place = Place::new(false);
    let renamed = place.weights().into_iter().map(|(name, t)| {
        (name.replace("encoder.", "embed.").replace("rnn.", "encoder.").replace("decoder.", "lm_head."), t)
    });
    place.is(&place.imported(Torch::dict(renamed)).model);
    // in a module of its own
    let nested = place.weights().into_iter().map(|(name, t)| (name.replace("rnn.", "core.layers.lstm."), t));
    place.is(&place.imported(Torch::dict([("state_dict", Torch::dict(nested))])).model);
}

#[test]
fn two_tensors_that_could_be_meant_are_an_error() {
    let place = Place::new(false);
    let vocabulary = place.tokenizer.vocab_size();
    for (name, wanted, other) in
        [("embedding.weight", "embedding.weight", "encoder.weight"), ("head.weight", "output.weight", "decoder.weight")]
    {
        let mut file = place.weights();
        file.push((name.into(), zeros(&[vocabulary, 4])));
        let message = place.error(Torch::dict(file));
        assert!(message.contains(&format!("more than one tensor that could be '{wanted}'")), "{message}");
        for name in [name, other] {
            assert!(message.contains(&format!("{name} [{vocabulary}, 4]")), "{message}");
        }
    }
    let other = || place.weights().into_iter().map(|(name, t)| (name.replace("rnn.", "lstm."), t));
    let message =
        place.error(Torch::dict(place.weights().into_iter().chain(other().filter(|(n, _)| n.contains("lstm")))));
    assert!(message.contains("several recurrent networks in one module: lstm, rnn"), "{message}");

    let file = Torch::dict([("model", Torch::dict(place.weights())), ("ema", Torch::dict(other()))]);
    let message = place.error(file.clone());
    assert!(message.contains("ema.lstm.weight_ih_l0, model.rnn.weight_ih_l0; say which"), "{message}");
    for prefix in ["model", "ema."] {
        let imported = place.import(file.clone()).with_prefix(prefix).load(&device()).unwrap();
        place.is(&imported.model);
        assert_eq!(imported.notes, [ImportNote::OrderUnknown]);
    }
    let message = place.import(file).with_prefix("emma").load(&device()).unwrap_err().to_string();
    assert!(message.contains("begins with 'emma.' (they have: ema.decoder.bias, "), "{message}");
}

#[test]
fn what_the_model_lacks_is_told_by_the_names_of_the_file() {
    let place = Place::new(false);
    let mut file = place.weights();
    file.push(("norm.weight".into(), zeros(&[4])));
    let message = place.error(Torch::dict([("net", Torch::dict(file))]));
    assert!(message.contains("that the network lacks: net.norm.weight ("), "{message}");
    let file = place.weights().into_iter().filter(|(name, _)| name != "rnn.bias_hh_l0");
    let message = place.error(Torch::dict([("net", Torch::dict(file))]));
    assert!(message.contains("no tensor 'net.rnn.bias_hh_l0'"), "{message}");
}

#[test]
fn a_tied_models_output_is_its_embedding() {
    let place = Place::new(true);
    let embedding = place.weights().into_iter().find(|(name, _)| name == "encoder.weight").unwrap().1;
    let with = |tensor: Torch| Torch::dict([place.weights(), vec![("decoder.weight".into(), tensor)]].concat());
    place.is(&place.imported(Torch::dict(place.weights())).model);
    place.is(&place.imported(with(embedding)).model);
    let message = place.error(with(zeros(&[place.tokenizer.vocab_size(), 4])));
    assert!(message.contains("(tied)") && message.ends_with("they differ: set tied to false"), "{message}");
}

#[test]
fn a_tokenizer_of_another_order_is_an_error_where_the_file_tells() {
    let place = Place::new(false);
    let mut tokens: Vec<String> = (0..).map_while(|id| place.tokenizer.id_to_token(id)).collect();
    assert_eq!(tokens.len(), place.tokenizer.vocab_size());
    let with = |tokens: &[String]| {
        let list = Torch::List(tokens.iter().cloned().map(Torch::Text).collect());
        Torch::dict([("itos", list), ("state_dict", Torch::dict(place.weights()))])
    };
    assert_eq!(place.imported(with(&tokens)).notes, []);
    tokens.swap(3, 5);
    let message = place.error(with(&tokens));
    let expected = format!("its token '{}' has the number 5, and in the vocabulary 'itos' of the weights 3", tokens[3]);
    assert!(message.ends_with(&expected), "{message}");
    // texts that are no tokens
    let others: Vec<String> = (0..tokens.len()).map(|n| format!("file {n}")).collect();
    assert_eq!(place.imported(with(&others)).notes, [ImportNote::OrderUnknown]);
}

#[test]
fn what_people_save_is_read_by_what_its_names_end_with() {
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
