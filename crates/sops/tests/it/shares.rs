//! Shamir's scheme: any threshold of shares gives the secret, fewer never do.

use rand08::SeedableRng as _;
use rand08::rngs::StdRng;
use sealfast_sops::shamir;

const SECRET: [u8; 32] = *b"a data key of thirty-two bytes..";

/// Which of the shares stand in `chosen`, a bit each.
fn combined(shares: &[impl AsRef<[u8]>], chosen: u32) -> Option<Vec<u8>> {
    let taken: Vec<&[u8]> = (0..shares.len())
        .filter(|share| chosen >> share & 1 == 1)
        .map(|share| shares[share].as_ref())
        .collect();
    shamir::combine(&taken).ok().map(|secret| secret.to_vec())
}

#[test]
fn every_choice_of_shares_gives_the_secret_from_the_threshold_on() {
    let mut rng = StdRng::seed_from_u64(1);
    for parts in 2..=10 {
        for threshold in 2..=parts {
            let shares = shamir::split(&SECRET, parts, threshold, &mut rng).expect("splits");
            assert_eq!(shares.len(), parts);
            for chosen in 1..1_u32 << parts {
                let is_enough = chosen.count_ones() as usize >= threshold;
                let found = combined(&shares, chosen).is_some_and(|secret| secret == SECRET);
                assert_eq!(found, is_enough, "{chosen:b} of {parts}, threshold {threshold}");
            }
        }
    }
}

#[test]
fn the_order_of_shares_does_not_count_and_one_twice_is_refused() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut shares = shamir::split(&SECRET, 10, 10, &mut rng).expect("splits");
    for turn in 0..10 {
        shares.rotate_left(turn);
        shares.swap(0, turn);
        assert_eq!(combined(&shares, 0x3ff).as_deref(), Some(SECRET.as_slice()));
    }
    assert!(shamir::combine(&[&shares[0], &shares[0]]).is_err());
}
