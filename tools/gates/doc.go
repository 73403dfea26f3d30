// Package gates holds the tests that keep the repository as CONTRIBUTING.md describes it: its
// language, its names and sizes, and the direction of its imports. They need only Go.
//
//	language_test.go   words, columns and citations
//	names_test.go      names of files, tests and sub-tests
//	sizes_test.go      packages, files, methods and exported names
//	imports_test.go    the floors, and imports that run downhill
//	documents_test.go  links and lengths of documents
//	exempt.txt         what does not pass yet, with the reason
package gates
