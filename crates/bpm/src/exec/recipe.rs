//! The executable that is kept beside a build or a run, with what is needed to start it again: a small
//! JSON file and, under the executable's own name in `kept/`, the copy.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::artefact::{self, Artefact};
use super::cargo_env::CargoEnv;

const FILE: &str = "artefact.json";
const COPY: &str = super::cargo_helper::KEPT_DIR;

/// What a crash restart starts again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recipe {
    pub artefact: Artefact,
    pub cargo_env: CargoEnv,
}

impl Recipe {
    /// Takes the recipe over into another run's directory; the copy gets a second name there.
    ///
    /// # Errors
    /// `from` has no recipe, or `to` cannot be written.
    pub fn take(from: &Path, to: &Path) -> io::Result<Recipe> {
        let mut recipe = Recipe::read(from)?;
        if let Some(kept) = &recipe.artefact.kept
            && let Some(name) = kept.file_name()
        {
            let own = to.join(COPY).join(name);
            match artefact::link(kept, &own) {
                Ok(()) => recipe.artefact.kept = Some(own),
                Err(error) if error.kind() == io::ErrorKind::NotFound => recipe.artefact.kept = None,
                Err(error) => return Err(error),
            }
        }
        recipe.write(to)?;
        Ok(recipe)
    }

    /// # Errors
    /// There is none in `dir`, or it cannot be read.
    pub fn read(dir: &Path) -> io::Result<Recipe> {
        serde_json::from_slice(&fs::read(dir.join(FILE))?).map_err(io::Error::other)
    }

    /// # Errors
    /// `dir` cannot be written.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        crate::store::write_atomically(&dir.join(FILE), &text)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::artefact::Identity;
    use super::*;

    /// A build's directory with an executable kept in it.
    fn kept(dir: &Path) -> Recipe {
        fs::create_dir_all(dir.join(COPY)).unwrap();
        let copy = dir.join(COPY).join("app");
        fs::write(&copy, "program").unwrap();
        let artefact = Artefact {
            executable: "/gone/app".into(),
            identity: Identity::at(&copy).unwrap(),
            kept: Some(copy),
        };
        let recipe = Recipe { artefact, cargo_env: CargoEnv::default() };
        recipe.write(dir).unwrap();
        recipe
    }

    fn dirs() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        (dir, from, to)
    }

    #[test]
    fn what_was_taken_over_outlives_whom_it_was_taken_from() {
        let (_dir, from, to) = dirs();
        kept(&from);
        let taken = Recipe::take(&from, &to).unwrap();
        fs::remove_dir_all(&from).unwrap();
        assert_eq!(taken.artefact.kept.as_deref(), Some(&*to.join(COPY).join("app")));
        assert_eq!(fs::read_to_string(taken.artefact.kept.unwrap()).unwrap(), "program");
        let third = to.join("third");
        fs::create_dir(&third).unwrap();
        assert!(Recipe::take(&to, &third).unwrap().artefact.kept.unwrap().starts_with(third));
    }

    #[test]
    fn a_copy_that_is_gone_is_not_promised() {
        let (_dir, from, to) = dirs();
        fs::remove_file(kept(&from).artefact.kept.unwrap()).unwrap();
        assert_eq!(Recipe::take(&from, &to).unwrap().artefact.kept, None);
        assert_eq!(Recipe::read(&to).unwrap().artefact.kept, None);
    }

    #[test]
    fn without_a_recipe_there_is_nothing_to_take() {
        let (_dir, from, to) = dirs();
        assert_eq!(Recipe::take(&from, &to).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(from.join(FILE), "{").unwrap();
        assert!(Recipe::take(&from, &to).is_err());
    }
}
