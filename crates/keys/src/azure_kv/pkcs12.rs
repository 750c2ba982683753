//! PKCS#12: the private key and the certificates of one file, as DER.
//!
//! Its integrity is checked, and what is encrypted is opened, with PBES2 and with the older ways that are still common
//! (triple DES, and RC2 with 40 bits for certificates). All of it is DER.
//!
//! Follows: RFC 7292; `openssl pkcs12` for what is common.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipher, BlockDecryptMut, BlockSizeUser, InnerIvInit as _, KeyInit as _};
use des::TdesEde3;
use hmac::digest::core_api::BlockSizeUser as HashBlock;
use hmac::{Mac as _, SimpleHmac};
use rc2::Rc2;
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::pkcs5::EncryptionScheme;
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use sha2::digest::FixedOutputReset;
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::certificate::{MOST_ITERATIONS, check_cost};

const BROKEN: &str = "the PKCS#12 file of the client certificate is broken";
const UNKNOWN: &str = "the PKCS#12 file of the client certificate is protected in a way that is not known";
const WRONG: &str = "the password does not open the PKCS#12 file of the client certificate";

/// What a file holds.
#[derive(Default)]
pub(super) struct Content {
    /// PKCS#8, one for each private key.
    pub(super) keys: Vec<Zeroizing<Vec<u8>>>,
    pub(super) certificates: Vec<Vec<u8>>,
}

impl Content {
    pub(super) fn read(file: &[u8], passphrase: Option<&SecretString>) -> Result<Self, &'static str> {
        let passphrase = Passphrase::new(passphrase.map_or("", |passphrase| passphrase.expose_secret()));
        let mut fields = Der(Der(file).take(SEQUENCE)?);
        fields.take(INTEGER)?;
        let safe = data(fields.take(SEQUENCE)?)?;
        if !fields.0.is_empty() {
            check_integrity(Der(fields.take(SEQUENCE)?), safe, &passphrase)?;
        }
        let mut content = Self::default();
        let mut parts = Der(Der(safe).take(SEQUENCE)?);
        while !parts.0.is_empty() {
            content.add_part(parts.take(SEQUENCE)?, &passphrase)?;
        }
        Ok(content)
    }

    /// A part of the file, which may be encrypted as a whole.
    fn add_part(&mut self, part: &[u8], passphrase: &Passphrase<'_>) -> Result<(), &'static str> {
        if Der(part).take(OID)? != ENCRYPTED_DATA {
            return self.add_bags(data(part)?, passphrase);
        }
        let mut fields = Der(part);
        fields.take(OID)?;
        let mut encrypted = Der(Der(fields.take(CONTEXT)?).take(SEQUENCE)?);
        encrypted.take(INTEGER)?;
        let mut encrypted = Der(encrypted.take(SEQUENCE)?);
        encrypted.take(OID)?;
        let algorithm = encrypted.take_whole(SEQUENCE)?;
        let bags = passphrase.open(algorithm, encrypted.take(CONTEXT_PRIMITIVE)?)?;
        self.add_bags(&bags, passphrase)
    }

    fn add_bags(&mut self, bags: &[u8], passphrase: &Passphrase<'_>) -> Result<(), &'static str> {
        let mut bags = Der(Der(bags).take(SEQUENCE)?);
        while !bags.0.is_empty() {
            let mut bag = Der(bags.take(SEQUENCE)?);
            let kind = bag.take(OID)?;
            let mut value = Der(bag.take(CONTEXT)?);
            match kind {
                KEY_BAG => self.keys.push(Zeroizing::new(value.take_whole(SEQUENCE)?.to_vec())),
                SHROUDED_KEY_BAG => {
                    let mut shrouded = Der(value.take(SEQUENCE)?);
                    let algorithm = shrouded.take_whole(SEQUENCE)?;
                    self.keys.push(passphrase.open(algorithm, shrouded.take(OCTETS)?)?);
                }
                CERTIFICATE_BAG => {
                    let mut certificate = Der(value.take(SEQUENCE)?);
                    if certificate.take(OID)? == X509 {
                        let der = Der(certificate.take(CONTEXT)?).take(OCTETS)?;
                        self.certificates.push(der.to_vec());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The content of a part that is not encrypted.
fn data(part: &[u8]) -> Result<&[u8], &'static str> {
    let mut fields = Der(part);
    if fields.take(OID)? != DATA {
        return Err(UNKNOWN);
    }
    Der(fields.take(CONTEXT)?).take(OCTETS)
}

fn check_integrity(mut mac: Der<'_>, safe: &[u8], passphrase: &Passphrase<'_>) -> Result<(), &'static str> {
    let mut digest = Der(mac.take(SEQUENCE)?);
    let algorithm = Der(digest.take(SEQUENCE)?).take(OID)?;
    let wanted = digest.take(OCTETS)?;
    let salt = mac.take(OCTETS)?;
    let iterations = if mac.0.is_empty() { 1 } else { mac.count()? };
    let is_right = match algorithm {
        SHA1 => passphrase.seals::<Sha1>(safe, salt, iterations, wanted),
        SHA256 => passphrase.seals::<Sha256>(safe, salt, iterations, wanted),
        SHA384 => passphrase.seals::<Sha384>(safe, salt, iterations, wanted),
        SHA512 => passphrase.seals::<Sha512>(safe, salt, iterations, wanted),
        _ => return Err(UNKNOWN),
    };
    if is_right { Ok(()) } else { Err(WRONG) }
}

/// A passphrase as text, and in UTF-16 with a zero at its end, as the older ways have it.
struct Passphrase<'p> {
    text: &'p str,
    wide: Zeroizing<Vec<u8>>,
}

impl<'p> Passphrase<'p> {
    fn new(text: &'p str) -> Self {
        let units = text.encode_utf16().chain([0]);
        Self { text, wide: Zeroizing::new(units.flat_map(u16::to_be_bytes).collect()) }
    }

    fn seals<D>(&self, safe: &[u8], salt: &[u8], iterations: u32, wanted: &[u8]) -> bool
    where
        D: Digest + HashBlock + FixedOutputReset + Clone,
    {
        let key = self.derive::<D>(salt, iterations, Purpose::Mac, <D as Digest>::output_size());
        let Ok(mut mac) = <SimpleHmac<D> as hmac::Mac>::new_from_slice(&key) else { return false };
        mac.update(safe);
        mac.verify_slice(wanted).is_ok()
    }

    /// Opens what was encrypted in one of the ways that are known.
    fn open(&self, algorithm: &[u8], content: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let mut fields = Der(Der(algorithm).take(SEQUENCE)?);
        let kind = fields.take(OID)?;
        if kind == PBES2 {
            let scheme = EncryptionScheme::from_der(algorithm).map_err(|_| UNKNOWN)?;
            check_cost(&scheme)?;
            return scheme.decrypt(self.text, content).map(Zeroizing::new).map_err(|_| WRONG);
        }
        let key_bytes = match kind {
            TRIPLE_DES => 24,
            RC2_128 => 16,
            RC2_40 => 5,
            _ => return Err(UNKNOWN),
        };
        let mut parameters = Der(fields.take(SEQUENCE)?);
        let (salt, iterations) = (parameters.take(OCTETS)?, parameters.count()?);
        let key = self.derive::<Sha1>(salt, iterations, Purpose::Key, key_bytes);
        let iv = self.derive::<Sha1>(salt, iterations, Purpose::Iv, 8);
        if kind == TRIPLE_DES {
            unpadded(TdesEde3::new_from_slice(&key).map_err(|_| BROKEN)?, &iv, content)
        } else {
            unpadded(Rc2::new_with_eff_key_len(&key, 8 * key_bytes), &iv, content)
        }
    }

    /// Appendix B of the RFC.
    fn derive<D>(&self, salt: &[u8], iterations: u32, purpose: Purpose, bytes: usize) -> Zeroizing<Vec<u8>>
    where
        D: Digest + HashBlock,
    {
        let block = <D as HashBlock>::block_size();
        let filled = |text: &[u8]| {
            let length = text.len().div_ceil(block) * block;
            text.iter().copied().cycle().take(length).collect::<Vec<u8>>()
        };
        let mut mixed = Zeroizing::new([filled(salt), filled(&self.wide)].concat());
        let mut out = Zeroizing::new(Vec::with_capacity(bytes + block));
        while out.len() < bytes {
            let mut hash = D::new().chain_update(vec![purpose as u8; block]).chain_update(&*mixed).finalize();
            for _ in 1..iterations {
                hash = D::digest(&hash);
            }
            out.extend_from_slice(&hash);
            let added: Vec<u8> = hash.iter().copied().cycle().take(block).collect();
            mixed.chunks_mut(block).for_each(|number| add_with_one(number, &added));
        }
        out.truncate(bytes);
        out
    }
}

#[derive(Clone, Copy)]
enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// Adds a number and one, what does not fit being lost.
fn add_with_one(number: &mut [u8], added: &[u8]) {
    let mut carry = 1;
    for (digit, other) in number.iter_mut().zip(added).rev() {
        let sum = u16::from(*digit) + u16::from(*other) + carry;
        *digit = sum.to_be_bytes()[1];
        carry = sum >> 8;
    }
}

fn unpadded<C>(cipher: C, iv: &[u8], content: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str>
where
    C: BlockCipher + BlockDecryptMut + BlockSizeUser,
{
    let mut buffer = Zeroizing::new(content.to_vec());
    let cipher = cbc::Decryptor::inner_iv_slice_init(cipher, iv).map_err(|_| BROKEN)?;
    let length = cipher.decrypt_padded_mut::<Pkcs7>(&mut buffer).map_err(|_| WRONG)?.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// DER that is read from its start on.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// Takes the content of the next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Result<&'d [u8], &'static str> {
        let (head, length) = head(self.0, tag).ok_or(BROKEN)?;
        let (value, rest) = self.0[head..].split_at_checked(length).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(value)
    }

    /// Takes the next value with its tag and length.
    fn take_whole(&mut self, tag: u8) -> Result<&'d [u8], &'static str> {
        let before = self.0;
        self.take(tag)?;
        Ok(&before[..before.len() - self.0.len()])
    }

    /// Takes a number of iterations.
    fn count(&mut self) -> Result<u32, &'static str> {
        let bytes = self.take(INTEGER)?;
        let number = bytes
            .iter()
            .try_fold(0_u32, |number, byte| number.checked_mul(256).map(|number| number + u32::from(*byte)));
        number
            .filter(|number| (1..=MOST_ITERATIONS).contains(number))
            .ok_or("the password of the PKCS#12 file costs too much time to check")
    }
}

/// How many bytes tag and length have, and the length.
fn head(der: &[u8], tag: u8) -> Option<(usize, usize)> {
    let (&found, &first) = (der.first()?, der.get(1)?);
    if found != tag {
        return None;
    }
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let bytes = der.get(2..2 + usize::from(first & 0x7f)).filter(|bytes| (1..=4).contains(&bytes.len()))?;
    Some((2 + bytes.len(), bytes.iter().fold(0, |length, byte| length * 256 + usize::from(*byte))))
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT: u8 = 0xa0;
const CONTEXT_PRIMITIVE: u8 = 0x80;

const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
const KEY_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 1];
const SHROUDED_KEY_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 2];
const CERTIFICATE_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 3];
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const TRIPLE_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 3];
const RC2_128: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 5];
const RC2_40: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1, 6];
const SHA1: &[u8] = &[0x2b, 14, 3, 2, 26];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
const SHA512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{BROKEN, Content, WRONG};

    /// Files that `openssl pkcs12 -export` made of one key and certificate.
    const FILES: [(&[u8], &str); 4] = [
        (include_bytes!("../../tests/files/modern.p12"), "correct"),
        (include_bytes!("../../tests/files/legacy.p12"), "correct"),
        (include_bytes!("../../tests/files/triple.p12"), ""),
        (include_bytes!("../../tests/files/open.p12"), "any"),
    ];

    fn read(file: &[u8], passphrase: &str) -> Result<Content, &'static str> {
        Content::read(file, Some(&SecretString::from(passphrase)))
    }

    #[test]
    fn files_in_every_protection_hold_the_same() {
        let contents: Vec<Content> =
            FILES.iter().map(|(file, passphrase)| read(file, passphrase).expect("opens")).collect();
        for content in &contents {
            assert_eq!((content.keys.len(), content.certificates.len()), (1, 1));
            assert_eq!(content.certificates, contents[0].certificates);
            assert_eq!(content.keys, contents[0].keys);
        }
        let without = Content::read(FILES[2].0, None).expect("an empty password is none");
        assert_eq!(without.certificates, contents[0].certificates);
    }

    #[test]
    fn wrong_passwords_and_damage_are_told() {
        for (file, _) in &FILES[..3] {
            assert_eq!(read(file, "wrong").err(), Some(WRONG));
            assert_eq!(read(&file[..file.len() - 9], "correct").err(), Some(BROKEN));
        }
        // No byte of any file makes it panic.
        for (file, passphrase) in &FILES[3..] {
            for at in 0..file.len() {
                let mut damaged = file.to_vec();
                damaged[at] ^= 0xff;
                let _ = read(&damaged, passphrase);
            }
        }
        assert_eq!(read(b"", "").err(), Some(BROKEN));
    }
}
