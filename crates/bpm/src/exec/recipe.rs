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
