//! Shamir's secret sharing over GF(2^8), as key groups use it.
//!
//! Byte-wise modulo x^8+x^4+x^3+x+1; a share is the y bytes followed by its x byte, x counts from 1 in group order.
//! Multiplication takes the same steps for every value, so that timing tells nothing about the secret.
//!
//! Follows: `shamir/shamir.go` of sops 3.13.2.

use rand08::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::error::Error;

/// A share of a secret: as many bytes as the secret, and the x coordinate behind them.
pub type Share = Zeroizing<Vec<u8>>;

/// Splits a secret into `parts` shares of which any `threshold` give it back.
///
/// # Errors
/// [`Error::Shamir`] unless 2 ≤ threshold ≤ parts ≤ 255 and the secret has at least one byte.
pub fn split(
    secret: &[u8],
    parts: usize,
    threshold: usize,
    rng: &mut (impl RngCore + CryptoRng + ?Sized),
) -> Result<Vec<Share>, Error> {
    let refuse = |message| Err(Error::Shamir { message });
    let Ok(count) = u8::try_from(parts) else { return refuse("parts cannot exceed 255") };
    if parts < threshold {
        return refuse("parts cannot be less than threshold");
    }
    if threshold < 2 {
        return refuse("threshold must be at least 2");
    }
    if secret.is_empty() {
        return refuse("cannot split an empty secret");
    }
    let mut shares: Vec<Share> =
        (1..=count).map(|_| Zeroizing::new(Vec::with_capacity(secret.len() + 1))).collect();
    let mut polynomial = Zeroizing::new(vec![0; threshold]);
    for &byte in secret {
        rng.fill_bytes(&mut polynomial);
        polynomial[0] = byte;
        for (share, x) in shares.iter_mut().zip(1..=count) {
            share.push(evaluate(&polynomial, x));
        }
    }
    for (share, x) in shares.iter_mut().zip(1..=count) {
        share.push(x);
    }
    Ok(shares)
}

/// Puts a secret together from shares; all of them are used.
///
/// # Errors
/// [`Error::Shamir`] for fewer than two shares, shares of different or no length, and the same share twice. Shares
/// that do not belong together give a wrong secret, not an error.
pub fn combine(shares: &[impl AsRef<[u8]>]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let refuse = |message| Err(Error::Shamir { message });
    let Some(length) = shares.first().map(|share| share.as_ref().len()).filter(|_| shares.len() >= 2) else {
        return refuse("less than two parts cannot be used to reconstruct the secret");
    };
    if length < 2 {
        return refuse("parts must be at least two bytes");
    }
    if shares.iter().any(|share| share.as_ref().len() != length) {
        return refuse("all parts must be the same length");
    }
    let xs: Vec<u8> = shares.iter().map(|share| share.as_ref()[length - 1]).collect();
    if xs.iter().enumerate().any(|(index, x)| *x == 0 || xs[..index].contains(x)) {
        return refuse("duplicate part detected");
    }
    let weights = Zeroizing::new(lagrange_at_zero(&xs));
    let mut secret = Zeroizing::new(vec![0; length - 1]);
    for (share, &weight) in shares.iter().zip(weights.iter()) {
        for (sum, &y) in secret.iter_mut().zip(share.as_ref()) {
            *sum ^= multiply(y, weight);
        }
    }
    Ok(secret)
}

/// Horner's scheme, the secret being the constant term.
fn evaluate(polynomial: &[u8], x: u8) -> u8 {
    polynomial.iter().rev().fold(0, |sum, &coefficient| multiply(sum, x) ^ coefficient)
}

/// The weight of each share: the product of x_j / (x_j - x_i) over the others.
fn lagrange_at_zero(xs: &[u8]) -> Vec<u8> {
    let weight = |i: usize| {
        xs.iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .fold(1, |product, (_, &x)| multiply(product, multiply(x, invert(x ^ xs[i]))))
    };
    (0..xs.len()).map(weight).collect()
}

/// Multiplies without branches or tables.
fn multiply(a: u8, b: u8) -> u8 {
    (0..8).rev().fold(0, |product: u8, bit| {
        let carry = (product >> 7).wrapping_neg();
        let doubled = (product << 1) ^ (carry & 0x1b);
        doubled ^ ((b >> bit & 1).wrapping_neg() & a)
    })
}

/// The inverse is the 254th power: seven ones in binary, then a squaring.
fn invert(a: u8) -> u8 {
    let power = (0..7).fold(1, |power, _| multiply(multiply(power, power), a));
    multiply(power, power)
}

#[cfg(test)]
mod tests {
    use super::{combine, invert, multiply, split};

    #[test]
    fn field_is_that_of_aes() {
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert!((1..=255).all(|a| multiply(a, invert(a)) == 1));
    }

    #[test]
    fn any_two_of_three_give_the_secret() {
        let shares = split(b"0123456789abcdef", 3, 2, &mut rand08::thread_rng()).unwrap_or_default();
        for (a, b) in [(0, 1), (1, 2), (2, 0)] {
            let secret = combine(&[&shares[a], &shares[b]].map(|share| share.as_slice())).unwrap_or_default();
            assert_eq!(secret.as_slice(), b"0123456789abcdef");
        }
        assert!(combine(&[shares[0].as_slice(), shares[0].as_slice()]).is_err());
        assert!(combine(&[shares[0].as_slice()]).is_err());
    }
}
