//! Batches: every token at its position, exactly once.

use elman_text::{BpttBatches, SentenceBatches, Tokens};
use proptest::prelude::*;

proptest! {
    #[test]
    fn rows_are_contiguous_and_targets_follow_inputs(count in 2_usize..300, batch in 1_usize..9, bptt in 1_usize..20, big in any::<bool>()) {
        prop_assume!(count / batch >= 2);
        let first = if big { 70_000 } else { 0 };
        let ids: Vec<u32> = (first..first + count as u32).collect();
        let tokens = Tokens::from_ids(&ids, 0, 0);
        let batches = BpttBatches::new(&tokens, batch, bptt).unwrap();
        let (expected, targets) = (batches.len(), batches.tokens());
        let batches: Vec<_> = batches.collect();
        prop_assert_eq!(batches.len(), expected);
        let part_len = count / batch;
        prop_assert_eq!(targets, batch * (part_len - 1));
        for row in 0..batch {
            let collect = |pick: fn(&elman_text::BpttBatch) -> &Vec<u32>| -> Vec<u32> {
                batches.iter().flat_map(|b| pick(b)[row * b.steps..(row + 1) * b.steps].to_vec()).collect()
            };
            prop_assert_eq!(collect(|b| &b.inputs), &ids[row * part_len..(row + 1) * part_len - 1]);
            prop_assert_eq!(collect(|b| &b.targets), &ids[row * part_len + 1..(row + 1) * part_len]);
        }
    }

    #[test]
    fn each_sentence_occurs_once(lengths in prop::collection::vec(0_usize..30, 0..60), batch in 1_usize..8, seed in any::<Option<u64>>()) {
        let sentences: Vec<Vec<u32>> = lengths.iter().enumerate().map(|(i, n)| vec![i as u32 + 1; *n]).collect();
        let mut seen = vec![0; sentences.len()];
        for b in SentenceBatches::new(&sentences, batch, seed).unwrap() {
            prop_assert!(b.indices.len() <= batch && b.ids.len() == b.steps * b.indices.len());
            for (row, (index, length)) in b.indices.iter().zip(&b.lengths).enumerate() {
                seen[*index] += 1;
                let ids = &b.ids[row * b.steps..(row + 1) * b.steps];
                prop_assert_eq!(&ids[..*length], &sentences[*index][..]);
                prop_assert!(ids[*length..].iter().all(|id| *id == 0));
            }
        }
        prop_assert!(seen.iter().all(|n| *n == 1));
    }
}

#[test]
fn shuffling_is_seeded() {
    let sentences: Vec<Vec<u32>> = (0..100).map(|n| vec![0; n]).collect();
    let order =
        |seed| -> Vec<usize> { SentenceBatches::new(&sentences, 4, seed).unwrap().flat_map(|b| b.indices).collect() };
    assert_eq!(order(Some(1)), order(Some(1)));
    assert_ne!(order(Some(1)), order(Some(2)));
    assert_eq!(order(None)[..2], [99, 98], "longest first");
}

#[test]
fn errors_report_both_sizes() {
    let tokens = Tokens::from_ids(&[1, 2, 3], 3, 3);
    let error = BpttBatches::new(&tokens, 20, 5).unwrap_err().to_string();
    assert_eq!(
        error,
        "a batch of 20 needs at least 40 tokens, but the text has 3: choose a smaller batch or a longer text"
    );
    assert_eq!(BpttBatches::new(&tokens, 0, 5).unwrap_err().to_string(), "batch must be at least 1, not 0");
    assert_eq!(BpttBatches::new(&tokens, 1, 0).unwrap_err().to_string(), "bptt must be at least 1, not 0");
}

#[test]
fn tokens_count_characters_and_bytes_and_widen_ids() {
    let mut tokens = Tokens::new();
    tokens.extend(&[1, 2], 5, 6);
    tokens.extend(&[65_536], 1, 4);
    tokens.extend(&[7], 1, 1);
    assert_eq!((tokens.len(), tokens.characters(), tokens.bytes()), (4, 7, 11));
    assert!(tokens.iter().eq([1, 2, 65_536, 7]));
    assert!(tokens.slice(1, 3).eq([2, 65_536]));
}
