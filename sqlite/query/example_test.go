package query_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	_ "modernc.org/sqlite"

	"github.com/replctl/replicate/sqlite/query"
)

// database opens a database; a program opens a view of a replica with sqlite.OpenView.
func database() (*sql.Conn, func(), error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, nil, err
	}
	_, err = conn.ExecContext(context.Background(), `CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, key BLOB);
		INSERT INTO users VALUES(1,'Ann',x'00ff'),(2,NULL,NULL)`)
	return conn, func() { _ = db.Close() }, err
}

// Run the statements of a script, and write their results as JSON.
func ExampleRun() {
	conn, closeAll, err := database()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll()
	out := query.NewJSON(os.Stdout)
	for _, statement := range query.Split("SELECT count(*) AS n FROM users; SELECT * FROM users WHERE id = :id;") {
		if err := query.Run(context.Background(), conn, statement, out, sql.Named("id", 1)); err != nil {
			fmt.Println(err)
			return
		}
	}
	_ = out.Close()
	// Output:
	// [
	// {"columns":["n"],"rows":[
	// [2]]},
	// {"columns":["id","name","key"],"rows":[
	// [1,"Ann",{"blob":"AP8="}]]}
	// ]
}

// Write the SQL of one table.
func ExampleDump() {
	conn, closeAll, err := database()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeAll()
	if err := query.Dump(context.Background(), conn, os.Stdout, "users"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// PRAGMA foreign_keys=OFF;
	// BEGIN TRANSACTION;
	// CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, key BLOB);
	// INSERT INTO "users" VALUES(1,'Ann',X'00FF');
	// INSERT INTO "users" VALUES(2,NULL,NULL);
	// COMMIT;
}

// Split a script into its statements.
func ExampleSplit() {
	for _, s := range query.Split("SELECT ';'; -- the second\nSELECT 2") {
		fmt.Printf("%q\n", s)
	}
	// Output:
	// "SELECT ';'"
	// "-- the second\nSELECT 2"
}
