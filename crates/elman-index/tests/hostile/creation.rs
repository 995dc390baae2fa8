//! What a store is made with, and the model that it must be opened with.

use elman_index::{FlatStore, FlatStoreConfig};
use serde_json::{Value, json};

use crate::{
    common::assert_holds,
    victim::{COUNT, Victim},
};

#[test]
fn vectors_of_another_model() {
    let victim = Victim::new();
    let store = FlatStore::open(victim.0.path()).unwrap();
    assert_eq!(store.model(), "model 1");
    store.check_model(&"model 1".into()).unwrap();
    let error = store.check_model(&json!({"path": "model 2"})).unwrap_err();
    let expected = format!(
        "the store '{}' was made with the model \"model 1\", not {{\"path\":\"model 2\"}}: use that model, or make a new \
         store",
        victim.0.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_store_is_not_made_over_another_or_with_an_identity_that_cannot_be_read_back() {
    let victim = Victim::new();
    let error = FlatStore::create(victim.0.path(), FlatStoreConfig::new(7)).unwrap_err();
    let expected = format!("'{}' holds a store already: open it, or choose another folder", victim.0.path().display());
    assert_eq!(error.to_string(), expected);
    assert_holds(&FlatStore::open(victim.0.path()).unwrap(), COUNT);

    let nested = |depth| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    // As large as it may be, in as many lines as it can take.
    let numbers: Vec<u8> = vec![1; 2047];
    for (model, fits) in [
        (Value::from("m".repeat(4094)), true),
        (Value::from("m".repeat(4095)), false),
        (nested(64), true),
        (nested(65), false),
        (Value::from(numbers), true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/store");
        match FlatStore::create(&path, FlatStoreConfig::new(1).with_model(model.clone())) {
            Ok(_) if fits => assert_eq!(*FlatStore::open_read_only(&path).unwrap().model(), model),
            Err(error) if !fits => {
                let expected = "the model's identity cannot be kept: it must be at most 4096 bytes of JSON, nested at \
                                most 64 deep";
                assert_eq!(error.to_string(), expected);
                assert!(!path.exists());
            }
            result => panic!("{result:?}"),
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path(), &file.path().join("store")] {
        let error = FlatStore::create(path, FlatStoreConfig::new(1)).unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot write '{}': ", path.display())), "{error}");
    }
}
