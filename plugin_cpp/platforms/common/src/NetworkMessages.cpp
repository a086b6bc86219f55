#include "NetworkCode.h"
#include "NetworkText.h"
#include <algorithm>
#include <sstream>

using namespace PolarMPPlugin;
using namespace NetworkText;
using namespace OpenMM;
using namespace std;

// The generated text of the messages (models/_layers.py, Message) and of what joins them with an atom's density and features.

/** The density of a later layer from its messages M, the first layer's density D and the features F of the layer before. */
string NetworkCode::join(int layer) {
    stringstream forward, backward;
    string number = text(layer);
    int before = p.featureDegree(layer - 1);
    forward << "DEVICE void joinForward" << number << "(const real* M, const real* D, const real* F, real* joined, int lane, int channel,\n"
            << "        GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4) {\n    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n";
    backward << "DEVICE void joinBackward" << number << "(const real* gradient, real* M, real* D, real* F, int lane, int channel,\n"
             << "        GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4) {\n    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n";
    for (int l = 0; l <= p.lMax; l++) {
        vector<string> parts = {"M", "D"};
        if (l <= before)
            parts.push_back("F");
        int rows = parts.size() * c, row = padded(rows);
        needStage(row * (2 * l + 1));
        const vector<double>& matrix = p.weight("layers." + text(layer - 1) + ".join.weights." + text(l), {rows, c});
        for (int m = 0; m <= 2 * l; m++) {
            forward << "    if (lane < CHANNELS) {\n";
            for (size_t i = 0; i < parts.size(); i++)
                forward << "        stage[" << m * row + i * c << "+lane] = " << parts[i] << "[" << l * l + m << "];\n";
            forward << "    }\n";
            if (row > rows)
                forward << "    stage[" << m * row + rows << "+min(lane, " << row - rows - 1 << ")] = 0;\n";
            backward << "    if (lane < PADDED_CHANNELS) stage[" << m * padded(c) << "+lane] = (lane < CHANNELS ? gradient[" << l * l + m
                     << "] : 0);\n";
        }
        forward << "    SYNC_ATOM;\n    real sum" << l << "[" << 2 * l + 1 << "] = {0};\n    " << mix(l) << "(&W[" << weights.add(matrix, rows, c)
                << "], CHANNELS, channel, stage4, " << row / 4 << ", sum" << l << ");\n";
        for (int m = 0; m <= 2 * l; m++)
            forward << "    joined[" << l * l + m << "] = sum" << l << "[" << m << "];\n";
        forward << "    SYNC_ATOM;\n";
        int transposed = weights.addTransposed(matrix, rows, c);
        backward << "    SYNC_ATOM;\n";
        for (size_t i = 0; i < parts.size(); i++) {
            string sum = "sum" + text(l) + parts[i];
            backward << "    real " << sum << "[" << 2 * l + 1 << "] = {0};\n    " << mix(l) << "(&W[" << transposed << "], " << rows << ", " << i * c
                     << "+channel, stage4, PADDED_CHANNELS/4, " << sum << ");\n";
            for (int m = 0; m <= 2 * l; m++)
                backward << "    " << parts[i] << "[" << l * l + m << "] = " << sum << "[" << m << "];\n";
        }
        backward << "    SYNC_ATOM;\n";
    }
    return forward.str() + "}\n" + backward.str() + "}\n";
}

/** The scalars and vectors, of fewer channels, that an atom sends to its neighbours. */
string NetworkCode::send(int layer) {
    stringstream code;
    int row = padded(p.messageChannels), parts = components(p.lMessage);
    vector<int> packs, transposed;
    for (int l = 0; l <= p.lMessage; l++) {
        const vector<double>& matrix = p.weight("senders." + text(layer) + ".weights." + text(l), {c, p.messageChannels});
        packs.push_back(weights.add(matrix, c, p.messageChannels));
        transposed.push_back(weights.addTransposed(matrix, c, p.messageChannels));
    }
    needStage(parts * padded(c));
    needStage(parts * row);
    code
        << "DEVICE void sendForward" << layer
        << "(const real* F, int lane, GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4, GLOBAL real* sent) {\n"
        << "    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n    if (lane < PADDED_CHANNELS)\n        for (int part = 0; part < PARTS; part++)\n"
        << "            stage[part*PADDED_CHANNELS+lane] = (lane < CHANNELS ? F[part] : 0);\n    SYNC_ATOM;\n    FOR_LANES(n, SENT) {\n"
        << "        int item = min(n, SENT-1), part = item/MESSAGE_CHANNELS;\n        real value[1] = {0};\n        mix1(&W[part == 0 ? "
        << packs.front() << " : " << packs.back()
        << "], MESSAGE_CHANNELS, item%MESSAGE_CHANNELS, stage4+part*PADDED_CHANNELS/4, PADDED_CHANNELS/4, value);\n"
        << "        if (n < SENT)\n            sent[n] = value[0];\n    }\n    SYNC_ATOM;\n}\n";
    code
        << "/** Adds the derivatives by F; the sum of those by what was sent is left empty for the next time. */\n"
        << "DEVICE void sendBackward" << layer
        << "(real* F, int lane, int channel, GLOBAL const real4* RESTRICT W, LOCAL_ARG real4* stage4, GLOBAL mm_long* sent) {\n"
        << "    LOCAL_ARG real* stage = (LOCAL_ARG real*) stage4;\n    FOR_LANES(n, " << parts * row << ") {\n        int part = n/" << row
        << ", m = n%" << row << ";\n"
        << "        if (n < " << parts * row << ") {\n            real value = 0;\n            if (m < MESSAGE_CHANNELS) {\n"
        << "                value = (real) (((mixed) sent[part*MESSAGE_CHANNELS+m])*(1/GRADIENT_SCALE));\n                sent[part*MESSAGE_CHANNELS+m] = 0;\n            }\n"
        << "            stage[n] = value;\n        }\n    }\n    SYNC_ATOM;\n";
    for (int part = 0; part < parts; part++)
        code << "    real sum" << part << "[1] = {0};\n    mix1(&W[" << (part == 0 ? transposed.front() : transposed.back())
             << "], CHANNELS, channel, stage4+" << part * row / 4 << ", " << row / 4 << ", sum" << part << ");\n    F[" << part << "] += sum" << part
             << "[0];\n";
    code << "    SYNC_ATOM;\n}\n";
    return code.str();
}

/** Mixing of the channels of messages, from the sums X of kernels/networkMessage.cc, and its derivatives. */
void NetworkCode::message(int layer) {
    stringstream forward, backward;
    int width = p.numRadial * p.messageChannels;
    for (int l = 0; l <= p.lMax; l++) {
        // Each path's block of rows is padded to whole packs.
        int paths = p.message.paths[l], rows = width * (1 + paths), block = padded(width), row = block * (1 + paths);
        messageStageSize = max(messageStageSize, row * (2 * l + 1));
        const vector<double>& matrix = p.weight("layers." + text(layer - 1) + ".message.mixing.weights." + text(l), {rows, c});
        string transposed = text(weights.addTransposed(matrix, rows, c));
        vector<double> paddedMatrix;
        for (int path = 0; path <= paths; path++) {
            paddedMatrix.insert(paddedMatrix.end(), matrix.begin() + path * width * c, matrix.begin() + (path + 1) * width * c);
            paddedMatrix.resize((path + 1) * block * c, 0.0);
        }
        vector<Term> terms = termsOfDegree(p.message, l);
        forward
            << "        {\n        FOR_LANES(k, " << block << ") {\n            int item = min(k, MIXED_ROW-1);\n"
            << "            real inside = (k < MIXED_ROW ? 1 : 0);\n            GLOBAL const real* x = &X[item/MESSAGE_CHANNELS*SENT+item%MESSAGE_CHANNELS];\n"
            << "            if (k < " << block << ") {\n";
        for (int m = 0; m <= 2 * l; m++) {
            forward << "                stage[" << m * row << "+k] = inside*x[" << l * l + m << "*NUM_RADIAL*SENT];\n";
            for (int path = 0; path < paths; path++) {
                forward << "                stage[" << m * row + (1 + path) * block << "+k] = inside*(0";
                for (const Term& t : terms)
                    if (t.row == path * (2 * l + 1) + m)
                        forward << "+" << cc.doubleToString(t.value) << "*x[" << t.right << "*NUM_RADIAL*SENT+" << 1 + t.left << "*MESSAGE_CHANNELS]";
                forward << ");\n";
            }
        }
        forward << "            }\n        }\n        SYNC_ATOM;\n        real mixedSum[" << 2 * l + 1 << "] = {0};\n"
                << "        mixInTeams" << 2 * l + 1 << "(&W[" << weights.add(paddedMatrix, row, c) << "], lane, stage4, " << row / 4
                << ", mixedSum, partial, message+" << l * l << "*CHANNELS);\n        }\n";
        auto mixBack = [&](int path) {
            backward << "            {\n            real g[" << 2 * l + 1 << "] = {0};\n            " << mix(l) << "(&W[" << transposed << "], "
                     << rows << ", " << path * width << "+item, stage4+" << l * l << "*PADDED_CHANNELS/4, PADDED_CHANNELS/4, g);\n";
        };
        mixBack(0);
        for (int m = 0; m <= 2 * l; m++)
            backward << "            d[" << l * l + m << "] += g[" << m << "];\n";
        backward << "            }\n";
        for (int path = 0; path < paths; path++) {
            mixBack(1 + path);
            for (const Term& t : terms)
                if (t.row / (2 * l + 1) == path)
                    backward << "            d[" << 1 + t.left << "*NUM_COMPONENTS+" << t.right << "] += " << cc.doubleToString(t.value) << "*g["
                             << t.row % (2 * l + 1) << "];\n";
            backward << "            }\n";
        }
    }
    map<string, string>& names = messageReplacements[layer];
    names["MESSAGE_FORWARD"] = "networkMessage" + text(layer);
    names["MESSAGE_BACKWARD"] = "networkMessageBackward" + text(layer);
    names["MESSAGE_MIXING"] = forward.str();
    names["MESSAGE_MIXING_BACKWARD"] = backward.str();
}
