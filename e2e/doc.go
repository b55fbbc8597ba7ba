// Package e2e runs the built program against real servers, kills it at random, and compares the Iceberg tables with MySQL
// row by row, through iceberg-go's own scanner and file access: none of the code that wrote the tables reads them here.
package e2e
