//! Memory allocated for damaged Parquet files. A single test, because it measures the peak of the whole process.
#![cfg(feature = "parquet")]

use std::{alloc::System, io::Cursor, sync::Arc};

use cap::Cap;
use elman_text::{Columns, Encoding, Table};
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

/// Aborts the process if more is allocated.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, 256 << 20);

#[test]
fn damaged_lengths_do_not_allocate_gigabytes() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())] {
        let mut file = Vec::new();
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let schema = Arc::new(parse_message_type("message schema { OPTIONAL BYTE_ARRAY text (UTF8); }").unwrap());
        let mut writer = SerializedFileWriter::new(&mut file, schema, properties).unwrap();
        let mut columns = writer.next_row_group().unwrap();
        let mut column = columns.next_column().unwrap().unwrap();
        let texts: Vec<ByteArray> =
            (0..200).map(|n| ByteArray::from(format!("text {}", n % 50).into_bytes())).collect();
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1; 200]), None).unwrap();
        column.close().unwrap();
        columns.close().unwrap();
        writer.close().unwrap();

        let rows = |file: Vec<u8>| -> Option<usize> {
            let table = Table::read("a.parquet", Cursor::new(file), Columns::new(["text"]), Encoding::default());
            table.and_then(|table| table.collect::<Result<Vec<_>, _>>()).ok().map(|rows| rows.len())
        };
        assert_eq!(rows(file.clone()), Some(200));
        // lengths are varints: these are the largest that fit
        for damage in [&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F][..], &[0xFF; 2], &[0x7E], &[0]] {
            for offset in 0..file.len() - damage.len() {
                let mut bad = file.clone();
                bad[offset..offset + damage.len()].copy_from_slice(damage);
                rows(bad);
            }
        }
    }
}
