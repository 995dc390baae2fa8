#![no_main]
use elman_fuzz::{checked, file};
use elman_text::{Columns, Table};
use libfuzzer_sys::fuzz_target;

// A table. The first byte selects the format.
fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let endings = ["csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz", "txt"];
    let name = format!("table.{}", endings[usize::from(*kind) % endings.len()]);
    let columns = Columns::new(["text"]).with_optional(["id", "year"]);
    let Some(table) = checked(Table::open(file(&name, bytes), columns)) else { return };
    for row in table.take(10_000) {
        let Some(row) = checked(row) else { return };
        let _ = row.text(0);
    }
});
