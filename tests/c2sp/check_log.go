// Checks a log and proofs of ours with the Go team's sumdb/note and sumdb/tlog, where the C2SP formats come from.
// It decides nothing by itself: notes, tiles and proofs are judged by those two packages.
//
// Reads one JSON object on standard input and prints "ok", or what is wrong and ends with 1.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proof struct {
	Index int64  // of a leaf; or the size of an older tree
	Hash  string // of the leaf; or the root of the older tree
	Path  []string
}

type question struct {
	Folder    string
	Key       string // of the log
	Cosigner  string // name of a witness or nothing
	Public    []byte // its Ed25519 key
	Included  []proof
	Goes      []proof
	Wrong     []proof // inclusion proofs that must not verify
	WrongGoes []proof // consistency proofs that must not verify
}

func main() {
	var q question
	must(json.NewDecoder(os.Stdin).Decode(&q))
	tree := openCheckpoint(q)
	reader := tlog.TileHashReader(tree, tiles{q.Folder})
	checkLeaves(q, tree, reader)
	for _, p := range q.Included {
		must(tlog.CheckRecord(hashes(p.Path), tree.N, tree.Hash, p.Index, hash(p.Hash)))
		theirs, err := tlog.ProveRecord(tree.N, p.Index, reader)
		must(err)
		same([]tlog.Hash(theirs), hashes(p.Path))
	}
	for _, p := range q.Goes {
		must(tlog.CheckTree(hashes(p.Path), tree.N, tree.Hash, p.Index, hash(p.Hash)))
		theirs, err := tlog.ProveTree(tree.N, p.Index, reader)
		must(err)
		same([]tlog.Hash(theirs), hashes(p.Path))
	}
	for _, p := range q.Wrong {
		mustNot(tlog.CheckRecord(hashes(p.Path), tree.N, tree.Hash, p.Index, hash(p.Hash)))
	}
	for _, p := range q.WrongGoes {
		mustNot(tlog.CheckTree(hashes(p.Path), tree.N, tree.Hash, p.Index, hash(p.Hash)))
	}
	fmt.Println("ok", tree.N)
}

func openCheckpoint(q question) tlog.Tree {
	known, err := note.NewVerifier(q.Key)
	must(err)
	verifiers := []note.Verifier{known}
	if q.Cosigner != "" {
		verifiers = append(verifiers, cosigner{q.Cosigner, q.Public})
	}
	data, err := os.ReadFile(filepath.Join(q.Folder, "checkpoint"))
	must(err)
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	must(err)
	if len(opened.Sigs) != len(verifiers) || len(opened.UnverifiedSigs) != 0 {
		fail("not signed by everybody")
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != known.Name() {
		fail("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	return tlog.Tree{N: size, Hash: hash(lines[2])}
}

// checkLeaves compares every leaf in the bundles with its hash in tiles that the root has vouched for.
func checkLeaves(q question, tree tlog.Tree, reader tlog.HashReader) {
	for first := int64(0); first < tree.N; first += 256 {
		width := tree.N - first
		if width > 256 {
			width = 256
		}
		path := strings.Replace(tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}.Path(), "tile/8/0/", "tile/entries/", 1)
		bundle, err := os.ReadFile(filepath.Join(q.Folder, filepath.FromSlash(path)))
		must(err)
		for n := first; n < first+width; n++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				fail("a bundle that is cut off")
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			found, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
			must(err)
			if found[0] != tlog.RecordHash(bundle[2:end]) {
				fail("leaf", n, "has another hash")
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			fail("a bundle with more in it")
		}
	}
}

// tiles reads C2SP tiles: those of sumdb, without the height in the path.
type tiles struct{ folder string }

func (t tiles) Height() int                          { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.folder, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// cosigner verifies C2SP cosignature/v1, which sumdb/note leaves to its user.
type cosigner struct {
	name   string
	public []byte
}

func (c cosigner) Name() string { return c.name }
func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n\x04"), c.public...))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 72 {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, text)
	return ed25519.Verify(c.public, []byte(message), signature[8:])
}

func hash(text string) tlog.Hash {
	found, err := tlog.ParseHash(text)
	must(err)
	return found
}

func hashes(path []string) []tlog.Hash {
	all := []tlog.Hash{}
	for _, text := range path {
		all = append(all, hash(text))
	}
	return all
}

func same(a, b []tlog.Hash) {
	if len(a) != 0 && !reflect.DeepEqual(a, b) {
		fail("another proof", a, b)
	}
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func mustNot(err error) {
	if err == nil {
		fail("a wrong proof was taken")
	}
}

func fail(what ...interface{}) {
	fmt.Println(what...)
	os.Exit(1)
}
