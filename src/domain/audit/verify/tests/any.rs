//! Any damage to an export is found, wherever it is.

use proptest::prelude::*;

use super::*;

/// Where a flip of byte `at` of the file falls: line and record.
fn line_of(lines: &[Vec<u8>], from: u64, at: usize) -> (usize, Option<u64>) {
    let mut end = 0;
    for (place, line) in lines.iter().enumerate() {
        end += line.len() + 1;
        if at < end {
            return (place + 1, owner(lines, from, place));
        }
    }
    (lines.len() + 1, None)
}

#[test]
fn a_flip_in_any_byte_is_found_at_its_line() {
    let lines = export(3, 4);
    let good = file(&lines);
    for at in 0..good.len() {
        // The lowest bit makes another digit, the sixth another case.
        for bit in [0x01, 0x20] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            let (line, seq) = line_of(&lines, 3, at);
            let broken = verify(&bad, None).unwrap_err();
            assert_eq!(broken.line, line, "byte {at} bit {bit}: {broken}");
            assert!(
                seq.is_none() || broken.seq == seq,
                "byte {at} bit {bit}: {broken}"
            );
        }
    }
}

#[test]
fn a_cut_at_any_byte_is_found_at_its_line() {
    let lines = export(1, 2);
    let good = file(&lines);
    for at in 0..good.len() {
        let (line, seq) = line_of(&lines, 1, at);
        let broken = verify(&good[..at], None).unwrap_err();
        assert_eq!(
            (broken.line, broken.seq, &broken.why),
            (line, seq.or(Some(3)), &Fault::Cut),
            "byte {at}"
        );
    }
}

proptest! {
    #[test]
    fn any_other_byte_anywhere_is_found_at_its_line(
        from in 1_u64..4, more in 0_u64..6, at in any::<prop::sample::Index>(), other in any::<u8>(),
    ) {
        let lines = export(from, from + more);
        let mut bad = file(&lines);
        let at = at.index(bad.len());
        prop_assume!(bad[at] != other);
        bad[at] = other;
        let (line, seq) = line_of(&lines, from, at);
        let broken = verify(&bad, None).unwrap_err();
        prop_assert_eq!(broken.line, line);
        prop_assert!(seq.is_none() || broken.seq == seq);
    }

    #[test]
    fn any_dropped_line_is_found_where_it_stood(
        from in 1_u64..4, more in 0_u64..6, at in any::<prop::sample::Index>(),
    ) {
        let mut lines = export(from, from + more);
        let at = at.index(lines.len());
        let seq = owner(&lines, from, at);
        lines.remove(at);
        let broken = verify(&file(&lines), None).unwrap_err();
        prop_assert_eq!(broken.line, at + 1);
        prop_assert_eq!(broken.seq, seq.or(Some(from + more + 1)));
    }

    #[test]
    fn any_doubled_line_is_found_wherever_it_was_put(
        from in 1_u64..4, more in 0_u64..6, at in any::<prop::sample::Index>(), put in any::<prop::sample::Index>(),
    ) {
        let mut lines = export(from, from + more);
        let at = at.index(lines.len());
        let put = at + 1 + put.index(lines.len() - at);
        lines.insert(put, lines[at].clone());
        let broken = verify(&file(&lines), None).unwrap_err();
        prop_assert_eq!(broken.line, put + 1);
    }

    #[test]
    fn any_two_swapped_lines_are_found_at_the_first(
        from in 1_u64..4, more in 0_u64..6, one in any::<prop::sample::Index>(), two in any::<prop::sample::Index>(),
    ) {
        let mut lines = export(from, from + more);
        let (one, two) = (one.index(lines.len()), two.index(lines.len()));
        prop_assume!(one != two);
        let first = one.min(two);
        let seq = owner(&lines, from, first);
        lines.swap(one, two);
        let broken = verify(&file(&lines), None).unwrap_err();
        prop_assert_eq!((broken.line, broken.seq), (first + 1, seq));
    }

    #[test]
    fn no_input_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verify(&bytes, None).is_err());
    }
}
