//! A store with valid checksums, but values that are not finite.

mod common;

use common::{assert_holds, create};
use elman_index::{IndexError, LocalStore, VectorStore};
use elman_sqlite::{Access, open, rusqlite::params};

#[test]
fn stored_values_that_are_not_finite_are_errors() {
    for bad in [f32::NAN, f32::INFINITY] {
        let folder = tempfile::tempdir().unwrap();
        let store = create(folder.path(), 9);
        assert_holds(&store, 9);
        drop(store);
        let vector: Vec<u8> = [1.0, bad, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let database = open(&folder.path().join("store.sqlite"), Access::Write).unwrap();
        assert_eq!(database.execute("UPDATE entries SET vector = ?1 WHERE id = 'id 4'", params![vector]).unwrap(), 1);
        drop(database);
        let store = LocalStore::open_read_only(folder.path()).unwrap();
        let answers = [
            store.get("id 4").map(drop),
            store.search(&[1.0, 2.0, 3.0], 9).map(drop),
            store.search_where(&[1.0, 2.0, 3.0], 9, &"number < 7".parse().unwrap()).map(drop),
            store.visit(None, &mut |_| ()),
        ];
        for answer in answers {
            let error = answer.unwrap_err();
            assert!(matches!(error, IndexError::Damaged { .. } | IndexError::Contradiction { .. }), "{error:?}");
            assert!(error.to_string().contains("a vector has a value that is not finite"), "{error}");
        }
    }
}
