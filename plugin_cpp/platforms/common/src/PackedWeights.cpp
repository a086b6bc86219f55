#include "PackedWeights.h"

using namespace PolarMPPlugin;
using namespace std;

int PackedWeights::add(const vector<double>& matrix, int rows, int columns) {
    int begin = packs.size() / 4;
    for (int k = 0; k < (rows + 3) / 4 * 4; k += 4)
        for (int column = 0; column < columns; column++)
            for (int i = k; i < k + 4; i++)
                packs.push_back(i < rows ? matrix[i * columns + column] : 0.0);
    return begin;
}

int PackedWeights::addTransposed(const vector<double>& matrix, int rows, int columns) {
    vector<double> transposed;
    for (int column = 0; column < columns; column++)
        for (int row = 0; row < rows; row++)
            transposed.push_back(matrix[row * columns + column]);
    return add(transposed, columns, rows);
}

int PackedWeights::addPlain(const vector<double>& values) {
    int begin = plain.size();
    plain.insert(plain.end(), values.begin(), values.end());
    return begin;
}
