//! What is sealed comes back, and nothing else does.

use super::*;
use proptest::prelude::*;

fn key(digit: &str) -> EncryptionKey {
    EncryptionKey::parse(&digit.repeat(64).into()).unwrap()
}

fn sealed(data: &[u8]) -> (Encryption, Vec<u8>) {
    let (encryption, chunks) = key("a").begin().unwrap();
    let mut sealer = Sealer::new(Vec::new(), Some(chunks));
    sealer.write_all(data).unwrap();
    (encryption, sealer.finish().unwrap())
}

fn opened(encryption: &Encryption, stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    Opener::new(stored, Some(key("a").open(encryption).unwrap())).read_to_end(&mut data)?;
    Ok(data)
}

#[test]
fn sealed_data_comes_back_whatever_its_size() {
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5] {
        let data: Vec<u8> = (0..size).map(|number| u8::try_from(number % 251).unwrap()).collect();
        let (encryption, stored) = sealed(&data);
        assert_eq!(stored.len(), size + TAG * size.div_ceil(CHUNK).max(1), "{size}");
        assert_eq!(opened(&encryption, &stored).unwrap(), data, "{size}");
    }
}

#[test]
fn changed_cut_or_reordered_chunks_are_refused() {
    let data = vec![7; 3 * CHUNK + 100];
    let (encryption, stored) = sealed(&data);
    let whole = CHUNK + TAG;
    let mut variants = vec![
        // Cut between chunks, in one, and to nothing.
        stored[..whole].to_vec(),
        stored[..3 * whole].to_vec(),
        stored[..stored.len() - 1].to_vec(),
        Vec::new(),
        // The last one alone, the first twice, two exchanged, the last twice, something after the last.
        stored[3 * whole..].to_vec(),
        [&stored[..whole], &stored[..]].concat(),
        [&stored[whole..2 * whole], &stored[..whole], &stored[2 * whole..]].concat(),
        [&stored[..], &stored[3 * whole..]].concat(),
        [&stored[..], &[0]].concat(),
    ];
    for position in (0..stored.len()).step_by(stored.len() / 50) {
        let mut flipped = stored.clone();
        flipped[position] ^= 1;
        variants.push(flipped);
    }
    for (number, variant) in variants.iter().enumerate() {
        assert!(opened(&encryption, variant).is_err(), "variant {number}");
    }
    // Of another backup with the same key.
    let (other, _) = sealed(&data);
    assert_ne!(other, encryption);
    assert!(opened(&other, &stored).is_err());
}

#[test]
fn wrong_key_is_refused_before_data_is_read_and_no_key_is_shown() {
    let (encryption, _) = sealed(b"x");
    assert!(matches!(key("b").open(&encryption), Err(BackupError::Key(_))));
    let other = Encryption { algorithm: "ROT13".to_owned(), ..encryption.clone() };
    assert!(matches!(key("a").open(&other), Err(BackupError::Incompatible(_))));
    let cut = Encryption { salt: "00".to_owned(), ..encryption };
    assert!(matches!(key("a").open(&cut), Err(BackupError::Damaged(_))));
    for text in ["", "abc", &"g".repeat(64), &"a".repeat(62)] {
        let error = EncryptionKey::parse(&(*text).to_owned().into()).unwrap_err();
        assert_eq!(error.to_string(), "the encryption key must be 64 hexadecimal digits");
    }
    assert_eq!(format!("{:?}", key("a")), "EncryptionKey");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn sealed_bytes_are_the_same_stream_however_they_are_written(
        size in 0..3 * CHUNK, piece in 1_usize..100_000,
    ) {
        let data: Vec<u8> = (0..size).map(|number| u8::try_from(number % 253).unwrap()).collect();
        let (encryption, chunks) = key("a").begin().unwrap();
        let mut sealer = Sealer::new(Vec::new(), Some(chunks));
        for piece in data.chunks(piece) {
            sealer.write_all(piece).unwrap();
        }
        prop_assert_eq!(opened(&encryption, &sealer.finish().unwrap()).unwrap(), data);
    }
}
