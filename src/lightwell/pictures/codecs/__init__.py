"""One module for each kind of file; `lightwell.pictures.formats` puts them in order."""
