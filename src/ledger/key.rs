//! The key of the pseudonyms, kept beside the store.
//!
//! Makes it once, readable by the operator alone. Does not know what is done with it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::domain::audit::PseudonymKey;

/// Reads the key, if there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<PseudonymKey>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = [0; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "not a key: want 64 hexadecimal digits",
        )
    })?;
    Ok(Some(PseudonymKey::new(bytes)))
}

/// Makes a new key, unless another process was faster, and reads back the one that stands there.
pub(super) fn make(path: &Path) -> io::Result<PseudonymKey> {
    let bytes: [u8; 32] = rand::random();
    // Written under another name and linked: nobody ever reads half a key, and nobody's key is overwritten.
    let draft = path.with_extension(format!("new-{}", hex::encode(rand::random::<[u8; 8]>())));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(hex::encode(bytes).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    if let Some(directory) = path.parent() {
        fs::File::open(directory)?.sync_all()?;
    }
    read(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_the_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pseudonym.key");
        assert_eq!(read(&path).unwrap(), None);
        let first = make(&path).unwrap();
        assert_eq!(make(&path).unwrap(), first);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_key_is_an_error_and_not_a_new_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pseudonym.key");
        fs::write(&path, "abc").unwrap();
        assert!(read(&path).is_err());
        assert!(make(&path).is_err());
    }
}
