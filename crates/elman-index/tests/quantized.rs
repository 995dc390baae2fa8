//! Quantized vectors, compared with NumPy, sentence-transformers, and simple loops.

use elman_index::{
    Entry, IndexError, MAX_DIM, MemoryStore, Metric, VectorStore, cosine,
    quantized::{
        Binary, Collection, Float32, Int8, QuantizedStore, QuantizedStoreConfig, VectorDtype, hamming, nearest_rescored,
    },
    top_k,
};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

/// The output of `golden/quantized.py` for one dimension.
#[derive(Deserialize)]
struct Golden {
    vectors: Vec<Vec<f32>>,
    int8: Vec<Vec<i8>>,
    ubinary: Vec<Vec<u8>>,
    hamming: Vec<Vec<u32>>,
}

fn golden() -> Vec<Golden> {
    serde_json::from_str(include_str!("golden/quantized.json")).unwrap()
}

/// Up to 40 vectors and a query, with few distinct values, so that scores tie, or with any.
fn vectors_and_query() -> impl Strategy<Value = (Vec<Vec<f32>>, Vec<f32>)> {
    (1usize..150, any::<bool>()).prop_flat_map(|(dim, ties)| {
        let value = if ties { (-2i8..=2).prop_map(f32::from).boxed() } else { (-1f32..1.0).boxed() };
        (vec(vec(value.clone(), dim), 0..40), vec(value, dim))
    })
}

fn int8(vectors: &[Vec<f32>], dim: usize) -> Int8 {
    let mut collection = Int8::new(dim).unwrap();
    vectors.iter().for_each(|vector| collection.push(vector).unwrap());
    collection
}

fn binary(vectors: &[Vec<f32>], dim: usize) -> Binary {
    let mut collection = Binary::new(dim).unwrap();
    vectors.iter().for_each(|vector| collection.push(vector).unwrap());
    collection
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn codes_equal_those_of_numpy_and_sentence_transformers() {
    for Golden { vectors, int8: codes, ubinary: bytes, hamming: distances } in golden() {
        let dim = vectors[0].len();
        for ((vector, codes), bytes) in vectors.iter().zip(&codes).zip(&bytes) {
            assert_eq!(&Int8::quantize(vector).unwrap(), codes, "{dim}");
            assert_eq!(&Binary::quantize(vector).unwrap(), bytes, "{dim}");
        }
        assert_eq!(int8(&vectors, dim).values(), codes.concat());
        let collection = binary(&vectors, dim);
        assert_eq!(collection.to_bytes(), bytes.concat());
        for (a, distances) in distances.iter().enumerate() {
            let found = (0..vectors.len()).map(|b| hamming(collection.words(a), collection.words(b)));
            assert_eq!(&found.collect::<Vec<_>>(), distances);
        }
    }
}

#[test]
fn invalid_input_is_an_error_with_a_message() {
    let text = |error: IndexError| error.to_string();
    for found in [0, MAX_DIM + 1] {
        let expected = format!("vectors of {found} dimensions cannot be stored: use 1 to 65536");
        assert_eq!(text(Int8::new(found).unwrap_err()), expected);
        assert_eq!(text(Binary::new(found).unwrap_err()), expected);
        assert_eq!(text(Float32::new(found, &[]).unwrap_err()), expected);
    }
    let ragged = "3 values are not a multiple of the vector length 2";
    assert_eq!(text(Int8::from_values(2, vec![1; 3]).unwrap_err()), ragged);
    assert_eq!(text(Float32::new(2, &[1.0; 3]).unwrap_err()), ragged);
    assert_eq!(text(Binary::from_bytes(9, &[0; 3]).unwrap_err()), ragged);
    let padded = Binary::from_bytes(9, &[0, 0x80, 0, 0x40]).unwrap_err();
    assert_eq!(text(padded), "vector 1 has bits set beyond its 9 dimensions: it was packed from longer vectors");
    assert_eq!(Binary::from_bytes(8, &[0xff, 0xff]).unwrap().len(), 2);

    let (mut bytes, mut signs) = (Int8::new(2).unwrap(), Binary::new(2).unwrap());
    let expected = "the vector has 3 dimensions, but the collection holds vectors of 2";
    assert_eq!(text(bytes.push(&[1.0; 3]).unwrap_err()), expected);
    assert_eq!(text(signs.push(&[1.0; 3]).unwrap_err()), expected);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let vector = [1.0, value];
        let expected = format!("the vector is {value} at position 1: every value must be finite");
        assert_eq!(text(bytes.push(&vector).unwrap_err()), expected);
        assert_eq!(text(signs.push(&vector).unwrap_err()), expected);
        assert_eq!(text(Float32::new(2, &vector).unwrap_err()), expected);
        let collections: [&dyn Collection; 3] = [&bytes, &signs, &Float32::new(2, &[1.0; 4]).unwrap()];
        for collection in collections {
            let expected = format!("the query is {value} at position 1: every value must be finite");
            assert_eq!(text(collection.nearest(&vector, 1).unwrap_err()), expected);
            assert_eq!(text(collection.cosines(&vector, &[]).unwrap_err()), expected);
            let error = collection.nearest(&[1.0], 1).unwrap_err();
            assert!(matches!(error, IndexError::QueryDimension { expected: 2, found: 1 }));
        }
    }
    assert!(bytes.is_empty() && signs.is_empty(), "rejected vectors change nothing");
}

#[test]
fn collections_of_different_shapes_are_errors() {
    let (one, two) = (Int8::from_values(2, vec![1; 2]).unwrap(), Int8::from_values(2, vec![1; 4]).unwrap());
    let text = |result: Result<Vec<_>, IndexError>| result.unwrap_err().to_string();
    assert_eq!(
        text(nearest_rescored(&one, &two, &[1.0, 0.0], 1, 1)),
        "cannot rescore vectors of shape [1, 2] with vectors of shape [2, 2]: both must hold the same vectors"
    );
    assert_eq!(
        text(nearest_rescored(&one, &one, &[1.0, 0.0], 1, 0)),
        "the oversampling factor must be at least 1, not 0"
    );
}

#[test]
fn a_quantized_store_rejects_invalid_input() {
    let config = QuantizedStoreConfig { second: VectorDtype::F32, ..QuantizedStoreConfig::new(2) };
    let none = QuantizedStoreConfig { oversampling: 0, ..config };
    assert!(matches!(QuantizedStore::new(none), Err(IndexError::Oversampling { found: 0 })));
    assert!(matches!(QuantizedStore::new(QuantizedStoreConfig::new(0)), Err(IndexError::Dimension { .. })));
    let mut store = QuantizedStore::new(config).unwrap();
    for vector in [vec![1.0], vec![1.0, f32::NAN]] {
        store.upsert(vec![Entry::new("a", vec![1.0, 0.0], ""), Entry::new("b", vector, "")]).unwrap_err();
    }
    assert_eq!(store.count().unwrap(), 0);
}

#[test]
fn the_maximum_dimension_does_not_overflow() {
    let widest = Int8::from_values(MAX_DIM, [vec![-128; MAX_DIM], vec![127; MAX_DIM]].concat()).unwrap();
    let found = widest.nearest(&vec![1.0; MAX_DIM], 2).unwrap();
    assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), [1, 0]);
    assert!((found[0].1 - 1.0).abs() < 1e-6 && (found[1].1 + 1.0).abs() < 1e-6, "{found:?}");
}

#[test]
fn ties_keep_their_order_in_both_stages() {
    // more than one block of rows, and ties at the cutoff of the candidates
    let vectors = vec![vec![0.5, -0.5, 0.25]; 3000];
    let (bytes, signs, flat) = (int8(&vectors, 3), binary(&vectors, 3), vectors.concat());
    let floats = Float32::new(3, &flat).unwrap();
    let collections: [&dyn Collection; 3] = [&floats, &bytes, &signs];
    for first in collections {
        for second in collections {
            let found = nearest_rescored(first, second, &[1.0, 0.5, -0.5], 7, 3).unwrap();
            assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        }
    }
}

#[test]
fn the_cosine_of_zeros_is_0() {
    let zeros = vec![vec![0.0; 5]];
    let (bytes, signs) = (int8(&zeros, 5), binary(&zeros, 5));
    assert_eq!(bytes.vector(0), [0.0; 5]);
    assert_eq!(bytes.nearest(&[1.0; 5], 1).unwrap(), [(0, 0.0)]);
    assert_eq!(bytes.cosines(&[1.0; 5], &[0]).unwrap(), [0.0]);
    let ones = int8(&[vec![1.0; 5]], 5);
    assert_eq!(ones.nearest(&[0.0; 5], 1).unwrap(), [(0, 0.0)]);
    assert_eq!(signs.cosines(&[0.0; 5], &[0]).unwrap(), [0.0]);
}

proptest! {
    #[test]
    fn rescoring_everything_is_exact((vectors, query) in vectors_and_query(), count in 0usize..50) {
        let dim = query.len();
        let (bytes, signs, flat) = (int8(&vectors, dim), binary(&vectors, dim), vectors.concat());
        let floats = Float32::new(dim, &flat).unwrap();
        let exact = top_k(vectors.iter().map(|vector| cosine(&query, vector)), count);
        // stores reject zero vectors
        if vectors.iter().chain([&query]).all(|vector| vector.iter().any(|&value| value != 0.0)) {
            let mut store = MemoryStore::new(dim, Metric::Cosine).unwrap();
            let entry = |(n, vector): (usize, &Vec<f32>)| Entry::new(n.to_string(), vector.clone(), "");
            store.upsert(vectors.iter().enumerate().map(entry).collect()).unwrap();
            let hits = store.search(&query, count).unwrap().into_iter();
            prop_assert_eq!(&exact, &hits.map(|hit| (hit.id.parse().unwrap(), hit.score)).collect::<Vec<_>>());
        }
        prop_assert_eq!(&exact, &floats.nearest(&query, count).unwrap());

        let all = vectors.len().max(1);
        let codes: Vec<Vec<f32>> = vectors.iter().map(|vector| {
            Int8::quantize(vector).unwrap().into_iter().map(f32::from).collect()
        }).collect();
        let exact8 = top_k(codes.iter().map(|vector| cosine(&query, vector)), count);
        let ones: Vec<Vec<f32>> = (0..vectors.len()).map(|position| signs.vector(position)).collect();
        let exact1 = top_k(ones.iter().map(|vector| cosine(&query, vector)), count);
        for first in [&floats as &dyn Collection, &bytes, &signs] {
            prop_assert_eq!(&exact, &nearest_rescored(first, &floats, &query, count, all).unwrap());
            prop_assert_eq!(&exact8, &nearest_rescored(first, &bytes, &query, count, all).unwrap());
            let found = nearest_rescored(first, &signs, &query, count, all).unwrap();
            for (found, exact) in found.iter().zip(&exact1) {
                // two formulas for the cosine
                prop_assert!((found.1 - exact.1).abs() <= f32::EPSILON);
            }
        }
    }

    #[test]
    fn hamming_counts_different_signs((vectors, query) in vectors_and_query()) {
        let dim = query.len();
        let signs = binary(&vectors, dim);
        let quantized_query = binary(std::slice::from_ref(&query), dim);
        let naive = |vector: &Vec<f32>| vector.iter().zip(&query).filter(|(x, y)| (**x > 0.0) != (**y > 0.0)).count();
        for (position, vector) in vectors.iter().enumerate() {
            prop_assert_eq!(hamming(quantized_query.words(0), signs.words(position)) as usize, naive(vector));
            let stored: Vec<bool> = signs.vector(position).iter().map(|&sign| sign == 1.0).collect();
            prop_assert_eq!(stored, vector.iter().map(|&x| x > 0.0).collect::<Vec<_>>());
        }
        let scores = vectors.iter().map(|vector| (dim as f32 - 2.0 * naive(vector) as f32) / dim as f32);
        prop_assert_eq!(signs.nearest(&query, 9).unwrap(), top_k(scores, 9));
    }

    #[test]
    fn the_error_of_int8_is_within_its_bound((vectors, query) in vectors_and_query()) {
        let dim = query.len();
        let bytes = int8(&vectors, dim);
        let found = bytes.nearest(&query, usize::MAX).unwrap();
        for (position, vector) in vectors.iter().enumerate().filter(|(_, vector)| length(vector) > 0.0) {
            let bound = |v: &[f32]| {
                let max = v.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
                (dim as f64).sqrt() * f64::from(max) / length(v) / 127.0
            };
            // rounding of f32, which the bound does not include
            let slack = 1e-5;
            let unit = vector.iter().map(|&x| f64::from(x) / length(vector));
            let stored = bytes.vector(position);
            let error = unit.zip(&stored).map(|(x, &y)| (x - f64::from(y)).powi(2)).sum::<f64>().sqrt();
            prop_assert!(error <= bound(vector) + slack, "{} {}", error, bound(vector));
            if length(&query) > 0.0 {
                let exact = cosine(&query, vector);
                let rescored = bytes.cosines(&query, &[position]).unwrap()[0];
                prop_assert!(f64::from(rescored - exact).abs() <= bound(vector) + slack);
                let quick = found.iter().find(|hit| hit.0 == position).unwrap().1;
                prop_assert!(f64::from(quick - exact).abs() <= bound(vector) + bound(&query) + slack);
            }
        }
    }

    #[test]
    fn serialized_collections_round_trip((vectors, query) in vectors_and_query()) {
        let dim = query.len();
        let (bytes, signs) = (int8(&vectors, dim), binary(&vectors, dim));
        let read = Int8::from_values(dim, bytes.values().to_vec()).unwrap();
        prop_assert_eq!(read.nearest(&query, 9).unwrap(), bytes.nearest(&query, 9).unwrap());
        let read = Binary::from_bytes(dim, &signs.to_bytes()).unwrap();
        prop_assert_eq!(read.to_bytes(), signs.to_bytes());
        prop_assert_eq!(read.nearest(&query, 9).unwrap(), signs.nearest(&query, 9).unwrap());
    }
}
